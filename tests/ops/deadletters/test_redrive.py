"""A redrive from taking to proof, with rows and a queue that are told what to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from b2bpilot.ops.deadletters.holding import Holding
from b2bpilot.ops.deadletters.plan import Decision
from b2bpilot.ops.deadletters.redrive import Redrive, Request, Watch
from b2bpilot.ops.deadletters.routes import InvokeRoute
from b2bpilot.ops.deadletters.taking import Taker
from b2bpilot.pipeline.deadletter import DeadLetter
from b2bpilot.pipeline.models import Progress, SubmissionStatus
from tests.ops.deadletters.world import World, id_of, letter

NOW = datetime(2026, 11, 1, tzinfo=UTC)


class Rows:
    """Rows by message id; a message that the world processed is completed."""

    def __init__(self, world: World, rows: Mapping[str, Progress] | None = None) -> None:
        self.world, self.rows = world, dict(rows or {})

    def now(self) -> datetime:
        return NOW

    def progress_of(self, message_ids: Sequence[str]) -> dict[str, Progress]:
        done = {one: progress(one, SubmissionStatus.COMPLETED) for one in self.world.processed}
        rows = {**self.rows, **done}
        return {one: rows[one] for one in message_ids if one in rows}


class Lines(list[Mapping[str, object]]):
    run_id = "run-1"

    def write(self, *entries: Mapping[str, object], durable: bool = True) -> None:
        self.extend(entries)


def progress(message_id: str, status: SubmissionStatus, **changes: object) -> Progress:
    values = {
        "message_id": message_id,
        "status": status,
        "attempts": 1,
        "lease_expires_at": None,
        "last_error": None,
        "completed_at": None,
        "updated_at": NOW,
    }
    return Progress(**{**values, **changes})  # type: ignore[arg-type]


def redrive(world: World, rows: Rows, **options: object) -> Redrive:
    values = {
        "queue": world,
        "route": InvokeRoute(world),
        "database": rows,
        "request": Request(wait=timedelta()),
        "wanted": lambda _: True,
        "started_at": NOW,
        **options,
    }
    return Redrive(**values)  # type: ignore[arg-type]


def decisions(found: Sequence[DeadLetter], world: World, rows: Rows, **options: object) -> list[Decision]:
    with redrive(world, rows, **options) as run:
        _, plan = run.take()
    by_id = {item.letter.queue_message_id: item.decision for item in plan.items}
    return [by_id[one.queue_message_id] for one in found]


def test_each_letter_is_decided_by_what_its_row_says_and_how_often_it_came_back() -> None:
    fresh, stored, busy, stuck, poison = letters = [*(letter() for _ in range(4)), letter(redrives=3)]
    world = World(letters)
    lease = {"lease_expires_at": NOW + timedelta(minutes=1)}
    over = {"lease_expires_at": NOW - timedelta(minutes=1)}
    rows = Rows(
        world,
        {
            id_of(stored): progress(id_of(stored), SubmissionStatus.COMPLETED),
            id_of(busy): progress(id_of(busy), SubmissionStatus.PROCESSING, **lease),
            id_of(stuck): progress(id_of(stuck), SubmissionStatus.PROCESSING, **over),
        },
    )

    found = decisions([fresh, stored, busy, stuck, poison], world, rows)

    assert found == [Decision.SEND, Decision.REMOVE, Decision.BUSY, Decision.SEND, Decision.POISON]


def test_letters_that_arrived_after_the_run_began_are_neither_taken_nor_kept() -> None:
    world = World([letter()])

    with redrive(world, Rows(world), started_at=datetime(2020, 1, 1, tzinfo=UTC)) as run:
        taken, plan = run.take()

    assert (list(taken.letters), list(plan.items)) == ([], [])
    assert world.counters().visible == 1


def test_what_the_run_itself_sent_and_came_back_is_not_taken_again() -> None:
    world = World([letter(), letter(redrives=1, redriven_by="run-1")])
    journal = Lines()

    with redrive(world, Rows(world)) as run:
        run.run(run.take()[1], journal, Watch())
        world.waiting = {one.queue_message_id: one for one in [letter(redrives=1, redriven_by="run-1")]}
        world.time_passes()
        taken, _ = run.take()

    assert list(taken.letters) == []


def test_what_was_known_to_be_sent_before_an_interruption_is_only_removed() -> None:
    sent, unsent = letters = [letter(), letter()]
    world = World(letters)
    known = {sent.queue_message_id: True, unsent.queue_message_id: False}

    with redrive(world, Rows(world), known=known) as run:
        summary = run.run(run.take()[1], Lines(), Watch())

    assert (summary.removed, summary.completed) == (1, 1)
    assert world.processed.keys() == {id_of(unsent)}
    assert world.waiting == {}


def test_the_summary_is_what_the_rows_say_not_what_the_route_said() -> None:
    one = letter()
    world = World([one])

    class Forgetful(Rows):
        def progress_of(self, message_ids: Sequence[str]) -> dict[str, Progress]:
            return {}

    with redrive(world, Forgetful(world)) as run:
        summary = run.run(run.take()[1], Lines(), Watch())

    assert summary.completed == 0
    assert not summary.everything_completed
    assert summary.unfinished[0].reason == "sent, but its row is not completed yet"


def test_letters_that_a_killed_run_still_hides_are_waited_for() -> None:
    """Another receiver holds the letter at first; it is given back while the taker looks."""
    world = World([letter()])
    held_by_the_dead = world.receive(hidden_seconds=20, wait_seconds=0)
    polls = []

    class Source:
        def receive(self, *, wait_seconds: int) -> list[DeadLetter]:
            polls.append(wait_seconds)
            if len(polls) == 5:
                world.release(held_by_the_dead)
            return world.receive(hidden_seconds=20, wait_seconds=wait_seconds)

        def release(self, letters: Sequence[DeadLetter]) -> None:
            world.release(letters)

        def others(self) -> int:
            return 0 if len(polls) > 5 else 1

    taken = Taker(Source(), wanted=lambda _: True, limit=10, patience_seconds=60).take(workers=1)

    assert len(taken.letters) == 1
    assert polls[:3] == [0, 2, 2]


def test_letters_that_stay_hidden_are_counted_not_denied() -> None:
    world = World([letter() for _ in range(3)])
    world.receive(hidden_seconds=20, wait_seconds=0)

    with Holding(world) as held:
        taken = Taker(held, wanted=lambda _: True, limit=10).take(workers=1)

    assert (list(taken.letters), taken.hidden) == ([], 3)
