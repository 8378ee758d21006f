"""Whoever may know a message: the dead-letter queue, the journals; and sources that fail."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from b2bpilot.errors import AwsDenied
from b2bpilot.ops.inspect.aliases import other_messages
from b2bpilot.ops.inspect.dead_letters import DeadLetterSource, sns_message_id
from b2bpilot.ops.inspect.journals import Journals
from b2bpilot.ops.inspect.source import MessageQuestion, SourceAnswer, Unasked, ask_all
from b2bpilot.ops.runs.journal import Journal
from b2bpilot.pipeline.dead_letter import read_dead_letter
from tests.events import message
from tests.fakes.dead_letters import dead
from tests.fakes.sqs import FakeQueue

NOW = datetime.now(UTC)
WANTED = message(params={"From": "whatsapp:+491701234567"})
FIRST = NOW - timedelta(hours=1)


def question(*ids: str, message_id: str = "", from_number: str | None = None) -> MessageQuestion:
    return MessageQuestion(
        message_id=message_id, ids=frozenset(ids), since=FIRST, until=NOW, from_number=from_number
    )


def queue(count: int = 12) -> FakeQueue:
    """Dead letters of other messages, and the wanted one in their middle."""
    others = [dead() for _ in range(count)]
    dead_letter = dead("the CRM is down", message_id=WANTED.message_id, params=dict(WANTED.params))
    dead_letter["MessageAttributes"]["RequestID"]["StringValue"] = "request-1"
    return FakeQueue([*others[: count // 2], dead_letter, *others[count // 2 :]])


def sns_id(of: FakeQueue) -> str:
    (found,) = (
        dead_letter
        for dead_letter in map(read_dead_letter, (one.received() for one in of.sqs.messages.values()))
        if dead_letter.message and dead_letter.message.message_id == WANTED.message_id
    )
    return str(sns_message_id(found))


@pytest.mark.parametrize("by", ["message_id", "request", "SNS", "number"])
def test_a_dead_letter_is_found_by_any_of_its_ids_and_all_are_given_back(by: str) -> None:
    dead_letters = queue()
    asked = {
        "message_id": question(message_id=WANTED.message_id),
        "request": question("request-1"),
        "SNS": question(sns_id(dead_letters)),
        "number": question(from_number="+491701234567"),
    }[by]

    answer = DeadLetterSource(queue=dead_letters, monotonic=dead_letters.sqs.clock).ask(asked)

    assert [found.message and found.message.message_id for found in answer.dead_letters] == [
        WANTED.message_id
    ]
    assert [moment.what for moment in answer.moments] == ["Lambda gave up: exception, the CRM is down"]
    assert (dead_letters.sqs.hidden(), answer.note) == (set(), None)


def test_a_look_that_takes_too_long_says_how_much_it_saw() -> None:
    dead_letters = queue(500)
    clock = itertools.chain([0.0, 0.0, 0.0], itertools.repeat(60.0))
    answer = DeadLetterSource(queue=dead_letters, monotonic=lambda: next(clock)).ask(question("nothing"))
    assert answer.note is not None
    assert answer.note.endswith("of about 501 dead letters")
    assert dead_letters.sqs.hidden() == set()


def test_an_id_that_is_not_the_messages_own_leads_to_it() -> None:
    dead_letters = [read_dead_letter(one.received()) for one in queue().sqs.messages.values()]
    assert other_messages("request-1", [], dead_letters) == {
        WANTED.message_id: "a request of the function processor"
    }
    assert other_messages(WANTED.message_id, [], dead_letters) == {}
    assert other_messages("nobody", [], dead_letters) == {}


def journal(home: Path, environment: str, *entries: dict[str, Any]) -> None:
    with Journal.create(
        home,
        command="redrive",
        environment=environment,
        account_id="1",
        region="r",
        operator="ada@laptop",
        reason=None,
        parameters={},
    ) as written:
        written.write(*entries)


def test_journals_tell_what_was_done_with_the_message_in_this_environment(tmp_path: Path) -> None:
    ids = {"queue_message_id": "q1", "message_id": WANTED.message_id}
    journal(
        tmp_path,
        "prod",
        {"event": "planned", **ids},
        {"event": "sending", **ids},
        {"event": "failed", **ids, "verdict": "failed", "error": "the CRM is down"},
        {"event": "sending", "queue_message_id": "q2", "message_id": "another"},
    )
    journal(tmp_path, "staging", {"event": "sending", **ids})

    answer = Journals(home=tmp_path, environment="prod", account_id="1").ask(question(WANTED.message_id))

    assert [moment.what.partition(": ")[2] for moment in answer.moments] == [
        "sending",
        "failed: the CRM is down",
    ]
    assert all("by ada@laptop" in moment.what for moment in answer.moments)


@pytest.mark.parametrize("event", ["mark", "marked"])
@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("not marked", "row not marked: the database does not answer"),
        ("completed", "row not marked: it is completed"),
        ("in progress", "row not marked: a lease on it held, or it kept changing"),
        ("no row", "it has no row to mark"),
        ("marked", "row marked as discarded"),
    ],
)
def test_a_journal_tells_whether_a_row_was_marked_whatever_version_wrote_it(
    tmp_path: Path, event: str, mark: str, said: str
) -> None:
    why = {"why": "row not marked: the database does not answer"} if mark == "not marked" else {}
    ids = {"queue_message_id": "q1", "message_id": WANTED.message_id}
    journal(tmp_path, "prod", {"event": event, **ids, "mark": mark, **why})

    answer = Journals(home=tmp_path, environment="prod", account_id="1").ask(question(WANTED.message_id))

    assert [moment.what.partition(": ")[2] for moment in answer.moments] == [said]


def test_a_journal_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    journal(tmp_path, "prod", {"event": "sending", "queue_message_id": "q", "message_id": WANTED.message_id})
    (tmp_path / "runs" / "20260101T000000Z-redrive-0000.jsonl").write_text("no JSON\n")
    answer = Journals(home=tmp_path, environment="prod", account_id="1").ask(question(WANTED.message_id))
    assert len(answer.moments) == 1


class Denied:
    name = "webhook log"

    def ask(self, question: MessageQuestion) -> SourceAnswer:
        raise AwsDenied("AWS denied logs:FilterLogEvents")


def test_a_source_that_fails_is_named_and_hides_no_other() -> None:
    dead_letters = queue()
    sources = [Denied(), Unasked(name="Twilio", reason="no token"), DeadLetterSource(queue=dead_letters)]
    denied, twilio, found = ask_all(sources, question(message_id=WANTED.message_id))
    assert (denied.name, denied.problem) == ("webhook log", "AWS denied logs:FilterLogEvents")
    assert twilio.problem == "no token"
    assert len(found.answer.dead_letters) == 1
