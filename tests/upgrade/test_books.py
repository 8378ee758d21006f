"""When the books of an upgrade balance, and what they call it when they do not."""

from __future__ import annotations

from random import Random

import pytest

from b2bpilot.twilio.samples import Sample
from tests.upgrade.books import Found, Row, balance
from tests.upgrade.messages import Answer, Drawing, Kind, Message


def message(kind: Kind = Kind.ONCE, *answers: int) -> Message:
    sample = Sample.POISON if kind is Kind.POISON else Sample.TEXT
    drawn = Drawing(Random(1)).of(kind, sample, "updating", at=100.0)
    drawn.answers = [Answer(status, 0.1) for status in answers or (200,)]
    return drawn


SOUND, POISON, LEFT = message(), message(Kind.POISON), message(Kind.LEFT)
DONE = Row(sid=SOUND.sid, status="completed", reply_state="sent", completed_at=102.5)
FAILED = Row(sid=SOUND.sid, status="failed", reply_state=None, completed_at=None)
REPLIED = {SOUND.sender: 1}


def found(
    *rows: Row, replies: dict[str, int] = REPLIED, dead_letters: dict[str | None, int] | None = None
) -> Found:
    return Found(rows=rows, replies=replies, dead_letters=dead_letters or {})


def test_one_row_and_one_reply_balance() -> None:
    books = balance([SOUND], found(DONE))
    assert books.faults == []
    assert (books.total.completed, books.total.longest_seconds) == (1, 2.5)


def test_a_poisoned_message_balances_with_its_dead_letters() -> None:
    books = balance([POISON], found(FAILED, replies={}, dead_letters={POISON.sid: 2}))
    assert books.faults == []
    assert (books.total.poison, books.total.dead_letters, books.total.dead_letters_of_poison) == (1, 0, 2)


def test_a_message_that_was_refused_is_not_lost_and_does_not_balance() -> None:
    books = balance([message(Kind.ONCE, 503)], found(replies={}))
    assert books.total.lost == 0
    assert [fault.partition(":")[0] for fault in books.faults] == [
        "1 webhooks answered 503",
        "1 messages that the webhook never accepted",
    ]


def test_a_webhook_that_took_too_long_and_was_tried_again_balances() -> None:
    """A busy machine is no fault of an upgrade; what is wrong with the code is said at once."""
    late = message()
    late.answers = [Answer(503, 2.5), Answer(200, 0.1)]
    books = balance(
        [late], found(Row(sid=late.sid, status="completed", reply_state="sent", completed_at=103.0))
    )
    assert (books.faults, books.total.refused, books.total.accepted) == ([], 0, 1)


@pytest.mark.parametrize(
    ("messages", "there", "fault"),
    [
        ([SOUND], found(replies={}), "accepted messages without a completed row"),
        ([SOUND], found(FAILED, replies={}), "accepted messages without a completed row"),
        ([LEFT], found(FAILED, replies={}), "accepted messages without a completed row"),
        ([SOUND], found(DONE, DONE), "messages in more than one row"),
        ([SOUND], found(DONE, replies={SOUND.sender: 2}), "messages that were answered more than once"),
        ([SOUND], found(DONE, replies={}), "completed messages without a reply"),
        ([SOUND], found(DONE, dead_letters={SOUND.sid: 1}), "dead letters of sound messages"),
        ([POISON], found(FAILED, replies={}), "poisoned messages without a dead letter"),
        ([], found(DONE, replies={}), "rows of messages that nobody sent"),
        ([], found(replies={}, dead_letters={None: 1}), "dead letters of messages that nobody sent"),
        ([message(Kind.TWICE, 200, 0)], found(DONE), "webhooks answered not at all"),
    ],
)
def test_what_does_not_balance_is_named(messages: list[Message], there: Found, fault: str) -> None:
    assert [line.partition(":")[0] for line in balance(messages, there).faults] == [f"1 {fault}"]
