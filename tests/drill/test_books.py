"""A drill's books: what makes them not balance, and what was counted where."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from b2bpilot.local.drill.books import DrillBooks, DrillFound, balance
from b2bpilot.local.drill.plan import DrillPlan, PairSide
from b2bpilot.local.drill.traffic import DrillMessage
from b2bpilot.pipeline.models import ReplyState, SubmissionStatus, UserSubmission

BEGAN = datetime(2026, 11, 30, 12, tzinfo=UTC)
PLAN = DrillPlan(rate=1, seconds=60, side=PairSide.PRIMARY, stop_at=20, back_at=40)
PRIMARY = "https://primary.example/webhook"
ROW = dict.fromkeys(UserSubmission.__dataclass_fields__)


def message(number: int, *, at: float, was_taken: bool = True) -> DrillMessage:
    params = {"MessageSid": f"SM{number:032x}", "From": f"+1500555{number:04d}"}
    return DrillMessage(params=params, at=at, sent_at=BEGAN + timedelta(seconds=at), was_taken=was_taken)


def row(of: DrillMessage, *, after: float = 1, **changes: Any) -> UserSubmission:
    completed_at = of.sent_at + timedelta(seconds=after)
    known = {
        "message_sid": of.sid,
        "status": SubmissionStatus.COMPLETED,
        "completed_at": completed_at,
        "reply_state": ReplyState.SENT,
    }
    return UserSubmission(**{**ROW, **known, **changes})  # type: ignore[arg-type]  # the rest is not looked at


MESSAGES = [message(1, at=10), message(2, at=30), message(3, at=50)]


def books(rows: list[UserSubmission], **changes: Any) -> DrillBooks:
    found = {
        "replies": {each.sender: 1 for each in MESSAGES},
        "failed_calls": {},
        "waiting": frozenset(),
        "back_at": BEGAN + timedelta(seconds=40),
        "dead_letters": {},
    }
    return balance(MESSAGES, DrillFound(rows=rows, **{**found, **changes}), PLAN, primary_url=PRIMARY)


def test_each_message_once_is_a_balance() -> None:
    found = books([row(each) for each in MESSAGES])
    assert found.balances
    assert (found.sent, found.stored, found.answered) == (3, 3, 3)
    assert [(each.name, each.sent) for each in found.phases] == [("before", 1), ("during", 1), ("after", 1)]


@pytest.mark.parametrize(
    ("rows", "replies", "told"),
    [
        (MESSAGES[:2], {}, "lost"),
        ([*MESSAGES, MESSAGES[0]], {}, "stored_twice"),
        (MESSAGES, {MESSAGES[1].sender: 2}, "answered_twice"),
    ],
)
def test_a_loss_a_second_row_and_a_second_reply_are_named(
    rows: list[DrillMessage], replies: dict[str, int], told: str
) -> None:
    found = books([row(each) for each in rows], replies=replies)
    assert not found.balances
    assert [name for name in ("lost", "stored_twice", "answered_twice") if getattr(found, name)] == [told]


def test_what_neither_took_is_refused_and_no_loss() -> None:
    refused = message(4, at=55, was_taken=False)
    found = balance(
        [refused],
        DrillFound(rows=[], replies={}, failed_calls={}, waiting=frozenset(), back_at=BEGAN, dead_letters={}),
        PLAN,
        primary_url=PRIMARY,
    )
    assert not found.balances
    assert (found.lost, found.refused) == ([], [refused.sid])


def test_a_row_that_is_not_completed_is_a_loss() -> None:
    failed = row(MESSAGES[2], status=SubmissionStatus.FAILED, completed_at=None)
    assert books([*(row(each) for each in MESSAGES[:2]), failed]).lost == [MESSAGES[2].sid]


def test_over_the_fallback_is_what_the_primary_failed_and_a_webhook_took() -> None:
    failed = {
        MESSAGES[1].sid: frozenset({PRIMARY}),
        MESSAGES[2].sid: frozenset({"https://other.example/webhook"}),
    }
    assert books([row(each) for each in MESSAGES], failed_calls=failed).over_fallback == 1


def test_what_waited_in_the_dead_side_is_told_by_when_it_was_stored() -> None:
    waiting = frozenset(each.message_id for each in MESSAGES[:2])
    rows = [row(MESSAGES[0], after=5), row(MESSAGES[1], after=15), row(MESSAGES[2])]
    found = books(rows, waiting=waiting)
    assert (found.waiting, found.waiting_stored_meanwhile, found.waiting_stored_after) == (2, 1, 1)


def test_a_reply_without_an_answer_is_unclear_and_no_second_one() -> None:
    rows = [row(each) for each in MESSAGES[:2]] + [row(MESSAGES[2], reply_state=ReplyState.UNKNOWN)]
    found = books(rows, replies={})
    assert found.balances
    assert (found.answered, found.unclear_replies) == (0, 1)
