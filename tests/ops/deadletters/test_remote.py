"""The command's side of a redrive inside AWS."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from b2bpilot.aws.mappings import MappingReading, MappingState
from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.errors import AwsDenied, AwsError, DatabaseUnreachable, Refused, UsageError
from b2bpilot.ops.deadletters import remote
from b2bpilot.pipeline.models import SubmissionStatus
from b2bpilot.pipeline.remote_run import RemoteRun, ended_tags, remote_run

NOW = datetime(2026, 11, 23, 19, 45, 1, tzinfo=UTC)


@dataclass
class Mapping:
    """`refusals` are raised, one by one, by the calls that change it."""

    state: MappingState = MappingState.DISABLED
    all_tags: dict[str, str] = field(default_factory=dict)
    refusals: list[AwsError] = field(default_factory=list)

    def read(self) -> MappingReading:
        return MappingReading(state=self.state, max_concurrency=2, read_at=NOW)

    def enable(self, *, max_concurrency: int) -> None:
        self.state = MappingState.ENABLED

    def disable(self) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.state = MappingState.DISABLED

    def tags(self) -> dict[str, str]:
        return dict(self.all_tags)

    def write_tags(self, tags: dict[str, str]) -> None:
        self.all_tags |= tags


class Queue:
    """Shows so many letters, one number per look; the last one for ever."""

    def __init__(self, *shown: int) -> None:
        self._shown = list(shown)

    def counters(self) -> Counters:
        visible = self._shown.pop(0) if len(self._shown) > 1 else self._shown[0]
        return Counters(visible=visible, hidden=0, delayed=0)


class Rows:
    """Answers with one count after the other; an error is raised."""

    def __init__(self, *answers: int | DatabaseUnreachable) -> None:
        self._answers = list(answers)

    def count_by_status(self) -> dict[SubmissionStatus, int]:
        answer = self._answers.pop(0)
        if isinstance(answer, DatabaseUnreachable):
            raise answer
        return {SubmissionStatus.COMPLETED: answer}


def announced(mapping: Mapping, run_id: str = "run-1") -> RemoteRun:
    return remote.announce(mapping, run_id=run_id, max_failures=0.2, longest=timedelta(hours=1))


def test_a_run_is_announced_by_aws_s_clock_before_the_mapping_is_on() -> None:
    mapping = Mapping()
    run = announced(mapping)
    assert remote_run(mapping.all_tags) == run
    assert (run.started_at, run.ends_at) == (NOW + timedelta(seconds=1), NOW + timedelta(seconds=3601))
    assert not mapping.state.is_on


def test_a_new_run_has_no_end_of_the_one_before() -> None:
    mapping = Mapping(all_tags=ended_tags("too many failures: 10 of 12 (83 %)"))
    assert announced(mapping).ended == ""
    assert remote_run(mapping.all_tags) == announced(mapping)


def test_another_run_is_refused_by_its_name() -> None:
    mapping = Mapping()
    announced(mapping, "run-1")
    mapping.enable(max_concurrency=2)
    with pytest.raises(Refused, match="enabled already for run run-1"):
        announced(mapping, "run-2")


def test_watching_ends_with_the_run_and_says_why() -> None:
    mapping = Mapping()
    run = announced(mapping)
    mapping.enable(max_concurrency=2)

    def end(_seconds: float) -> None:
        mapping.disable()
        mapping.write_tags(ended_tags("nothing is left to try"))

    looks = list(remote.watch(mapping, Queue(3), run, completed=lambda: 7, sleep=end))
    assert [look.state for look in looks] == ["Enabled", "Disabled"]
    assert (looks[-1].ended, looks[-1].completed, looks[-1].counters.total) == (
        "nothing is left to try",
        7,
        3,
    )


def test_an_empty_queue_ends_the_run_when_it_stays_empty() -> None:
    mapping = Mapping()
    run = announced(mapping)
    mapping.enable(max_concurrency=2)
    queue = Queue(9, 0, 0, 4, 0)
    looks = list(remote.watch(mapping, queue, run, completed=lambda: None, sleep=lambda _: None))
    assert [look.counters.total for look in looks] == [9, 0, 0, 4, 0, 0, 0, 0, 0, 0]
    assert (looks[-1].state, looks[-1].ended) == ("Disabled", "nothing is left in the queue")


def test_stopping_asks_again_while_lambda_makes_an_earlier_change() -> None:
    mapping = Mapping(refusals=[AwsError("ResourceInUseException")] * 3)
    run = announced(mapping)
    mapping.enable(max_concurrency=2)
    pauses: list[float] = []
    remote.stop(mapping, run, because="the command ended it", clock=lambda: 0, sleep=pauses.append)
    assert not mapping.state.is_on
    assert len(pauses) == 3
    assert mapping.tags()["b2bpilot:redrive-ended"] == "the command ended it"


def test_stopping_gives_up_at_once_without_the_right_to() -> None:
    mapping = Mapping(refusals=[AwsDenied("no")])
    run = announced(mapping)
    mapping.enable(max_concurrency=2)
    with pytest.raises(AwsDenied):
        remote.stop(mapping, run, because="x")


def test_stopping_one_run_leaves_the_next_alone() -> None:
    mapping = Mapping()
    first = announced(mapping, "run-1")
    announced(mapping, "run-2")
    mapping.enable(max_concurrency=2)
    remote.stop(mapping, first, because="x")
    assert mapping.state.is_on


def test_the_reason_of_a_run_that_ended_by_itself_stays() -> None:
    mapping = Mapping()
    run = announced(mapping)
    mapping.write_tags(ended_tags("its time is over"))
    remote.stop(mapping, run, because="the command ended it")
    assert remote_run(mapping.all_tags).ended == "its time is over"  # type: ignore[union-attr]


@pytest.mark.parametrize("wanted", [1, 10, 11])
def test_a_concurrency_that_leaves_live_messages_nothing_is_refused(wanted: int) -> None:
    with pytest.raises(UsageError, match=f"a concurrency of {wanted} does not fit"):
        remote.check_concurrency(wanted, reserved=10)


def test_completed_rows_are_counted_from_the_start() -> None:
    completed = remote.completed_since(Rows(100, 130))
    assert completed() == 30


@pytest.mark.parametrize(
    "rows", [None, Rows(DatabaseUnreachable("down"), 5), Rows(5, DatabaseUnreachable("down"))]
)
def test_without_a_database_nothing_is_claimed(rows: Rows | None) -> None:
    assert remote.completed_since(rows)() is None


@pytest.mark.parametrize("text", ["a, b; c (d) 20 % é", "x" * 500, "{'json': \"no\"}\n\x00"])
def test_a_reason_fits_into_a_tag(text: str) -> None:
    (value,) = ended_tags(text).values()
    assert len(value) <= 256
    assert all(letter.isalnum() or letter in " _.:/=+-@" for letter in value)
