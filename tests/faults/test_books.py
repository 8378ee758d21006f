"""A harness that cannot find anything proves nothing: each book with an entry that breaks its promise."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tests.faults.books import Evidence, message_books
from tests.faults.evidence import DeadLetter, DeadLetters, Row, message_id_of
from tests.faults.traffic import Kind, Sent

SID, NUMBER = "SM" + "1" * 32, "+12000000001"


def sent(**changes: object) -> Sent:
    message = Sent(sid=SID, sender=NUMBER, kind=Kind.TEXT, twice=False, answers=[200], accepted_at=1.0)
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def row(**changes: object) -> Row:
    completed = Row(
        message_id=message_id_of(SID),
        sid=SID,
        status="completed",
        reply_state="sent",
        last_error=None,
        test=False,
        discarded_by=None,
        received_at=1.0,
        completed_at=2.0,
    )
    return replace(completed, **changes)


def dead(message_id: str = message_id_of(SID)) -> DeadLetters:
    return DeadLetters(
        found=(DeadLetter(queue_message_id="q", message_id=message_id, sent_at=1.0),), hidden=0
    )


EMPTY = DeadLetters(found=(), hidden=0)
GOOD = Evidence(sent=[sent()], rows=[row()], dead_letters=EMPTY, replies=Counter({NUMBER: 1}))


def broken(evidence: Evidence) -> list[str]:
    return [text for book in message_books(evidence) for text in book.broken]


def test_what_adds_up_is_accepted() -> None:
    assert broken(GOOD) == []


def test_poison_may_wait_as_a_dead_letter() -> None:
    waiting = replace(
        GOOD,
        sent=[sent(kind=Kind.POISON)],
        rows=[row(status="failed", reply_state=None)],
        dead_letters=dead(),
    )
    assert broken(replace(waiting, replies=Counter())) == []


def test_a_message_that_was_never_answered_200_may_be_stored_or_not() -> None:
    refused = sent(answers=[503], accepted_at=None)
    assert broken(replace(GOOD, sent=[refused])) == []
    assert broken(replace(GOOD, sent=[refused], rows=[], replies=Counter())) == []


@pytest.mark.parametrize(
    ("evidence", "found"),
    [
        (replace(GOOD, rows=[], replies=Counter()), "no row; no dead letter"),
        (replace(GOOD, rows=[row(status="failed", last_error="no")]), "row failed: no; no dead letter"),
        (replace(GOOD, rows=[row(status="failed")], dead_letters=dead()), "row failed: None; a dead letter"),
        (replace(GOOD, rows=[row(), row(message_id="other")]), "2 rows"),
        (replace(GOOD, rows=[row(), row()]), "2 rows"),
        (replace(GOOD, replies=Counter({NUMBER: 2})), "2 replies"),
        (replace(GOOD, replies=Counter()), "reply sent, 0 at Twilio"),
        (replace(GOOD, rows=[row(reply_state=None)]), "reply None, 1 at Twilio"),
        (replace(GOOD, rows=[row(reply_state="refused")]), "reply refused, 1 at Twilio"),
    ],
)
def test_what_does_not_add_up_is_named(evidence: Evidence, found: str) -> None:
    assert any(found in text for text in broken(evidence))
