"""A run that outlives its lease, and a second delivery that takes the message meanwhile: stored once, answered once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from b2bpilot.errors import PilotError, ReplyNotSent, ReplyRefused, ReplyUnknown
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.delivery import Delivery
from b2bpilot.pipeline.lease import LONGEST_LEASE, RETRY_PAUSES, lease
from b2bpilot.pipeline.models import ReplyState, SubmissionStatus
from b2bpilot.pipeline.outcome import DeliveryOutcome
from b2bpilot.pipeline.processing import process
from tests.events import delivery, message

OVER = timedelta(seconds=-1)
STATEMENTS = ("claim", "begin_reply", "end_reply", "complete")


class Twilio:
    """Takes the reply of the first caller as `answer` says, and every other one."""

    def __init__(self, answer: PilotError | None) -> None:
        self.answer = answer
        self.sent = 0
        self.during_the_first: Callable[[], None] = lambda: None

    def send(self, *, to: str, from_: str) -> str:
        during, self.during_the_first = self.during_the_first, lambda: None
        answer, self.answer = self.answer, None
        during()
        if answer is not None:
            self.sent += isinstance(answer, ReplyUnknown)
            raise answer
        self.sent += 1
        return f"SM{self.sent}"


class Slow(DatabaseManager):
    """A run's database that lets something happen before its Nth statement of a kind, or after it."""

    def __init__(self, dsn: str, *, name: str, after: bool, happens: Callable[[], None]) -> None:
        super().__init__(dsn)
        self._name, self._after, self._happens = name, after, happens

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name not in STATEMENTS or name != self._name:
            return found

        def slowly(*args: object, **kwargs: object) -> object:
            if not self._after:
                self._once()
            result = found(*args, **kwargs)
            if self._after:
                self._once()
            return result

        return slowly

    def _once(self) -> None:
        happens, self._happens = self._happens, lambda: None
        happens()


def second_run(sent: Delivery, database: DatabaseManager, twilio: Twilio) -> DeliveryOutcome:
    return process(sent, database=database, replier=twilio, lease=timedelta(seconds=50))


ANSWERS = {
    "sent": None,
    "not-sent": ReplyNotSent("Twilio answered 429"),
    "refused": ReplyRefused("Twilio answered 400"),
    "unknown": ReplyUnknown("no answer"),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_second_delivery_at_any_moment_of_a_run_beyond_its_lease_stores_and_answers_once(
    database: DatabaseManager, database_url: str, statement: str, after: bool, answer: PilotError | None
) -> None:
    sent, twilio = delivery(message()), Twilio(answer)

    def take_over() -> None:
        with suppress(PilotError):
            second_run(sent, database, twilio)

    with (
        Slow(database_url, name=statement, after=after, happens=take_over) as slow,
        suppress(PilotError),
    ):
        process(sent, database=slow, replier=twilio, lease=OVER)
    take_over()

    row = database.get_submission_by_message_id(sent.message.message_id)
    assert row is not None
    assert row.status is SubmissionStatus.COMPLETED
    assert twilio.sent <= 1
    assert row.reply_state is not None, "nobody sends the reply any more, and nothing says so"
    assert (row.reply_state is ReplyState.SENT) <= (twilio.sent == 1)


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (None, ReplyState.SENT),
        (ReplyNotSent("Twilio answered 429"), ReplyState.UNKNOWN),
        (ReplyRefused("Twilio answered 400"), ReplyState.REFUSED),
        (ReplyUnknown("no answer"), ReplyState.UNKNOWN),
    ],
    ids=ANSWERS,
)
def test_the_answer_that_comes_after_the_lease_is_what_the_row_says_at_last(
    database: DatabaseManager, database_url: str, answer: PilotError | None, state: ReplyState
) -> None:
    """The second run found `sending`, and completed the message without a reply of its own."""
    sent, twilio = delivery(message()), Twilio(answer)
    outcomes: list[DeliveryOutcome] = []
    twilio.during_the_first = lambda: outcomes.append(second_run(sent, database, twilio))

    with DatabaseManager(database_url) as slow, suppress(PilotError):
        outcomes.append(process(sent, database=slow, replier=twilio, lease=OVER))

    row = database.get_submission_by_message_id(sent.message.message_id)
    assert row is not None
    assert outcomes[0] is DeliveryOutcome.STORED
    assert (row.status, row.reply_state, row.attempts) == (SubmissionStatus.COMPLETED, state, 2)


def test_a_reply_that_was_not_sent_after_all_is_not_lost_between_two_runs(database: DatabaseManager) -> None:
    """The second run has read `sending` and sends nothing: the first one must not take that word back from the row."""
    sent = message()
    first = database.claim(sent, lease=OVER)
    assert first is not None
    database.begin_reply(first)
    second = database.claim(sent, lease=LONGEST_LEASE)
    assert second is not None

    database.end_reply(first, None, error="Twilio answered 429")
    database.end_reply(second, ReplyState.UNKNOWN, error="the run that was sending it ended")

    row = database.get_submission_by_message_id(sent.message_id)
    assert row is not None
    assert row.reply_state is ReplyState.UNKNOWN


@pytest.mark.parametrize(
    ("seconds", "held"), [(300, 50), (900, 50), (50, 50), (12.5, 12.5)], ids=lambda value: f"{value:g}s"
)
def test_a_lease_is_never_longer_than_its_cap_whatever_the_timeout(seconds: float, held: float) -> None:
    found = lease(remaining=timedelta(seconds=seconds), longest=LONGEST_LEASE)

    assert found == timedelta(seconds=held)


def test_the_longest_lease_is_over_when_lambda_tries_a_dead_run_again() -> None:
    assert LONGEST_LEASE <= timedelta(seconds=50) < min(RETRY_PAUSES)
