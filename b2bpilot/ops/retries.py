"""Whether Lambda runs a failed message again, as far as facts tell it: its settings, the dead-letter queue, the journals.

Lambda repeats asynchronous runs only, such as those that SNS starts. A synchronous one (an invoke, a redrive by invoke) is not
repeated, and no row says which of both a run was. A dead letter says that Lambda is done with the delivery
(docs/aws-facts.md#retries, #lambda-dead-letters).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from b2bpilot.aws.function_settings import EventInvoke, event_invoke
from b2bpilot.aws.session import Timeouts
from b2bpilot.errors import PilotError
from b2bpilot.ops.dead_letters.marks import discards_of
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.status.dead_letters import DeadLetters, dead_letters
from b2bpilot.ops.table.row_state import Asked
from b2bpilot.pipeline.lease import RETRY_PAUSES
from b2bpilot.plural import many

if TYPE_CHECKING:
    from b2bpilot.pipeline.models import UserSubmission

TIMEOUTS = Timeouts(connect_seconds=3, read_seconds=10, attempts=3)
MOST_RUNS = len(RETRY_PAUSES) + 1
"""More than Lambda can be told to give one event (docs/aws-facts.md#retries)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often Lambda runs one asynchronous event, and how old it may become. None: nobody could be asked, and `problem`
    says why."""

    runs: int | None = None
    longest_age: timedelta | None = None
    problem: str | None = None

    @property
    def at_most(self) -> int:
        return MOST_RUNS if self.runs is None else self.runs

    def next_run(self, *, failed: int, ended_at: datetime, began_at: datetime | None) -> datetime | None:
        """Return when Lambda begins its next run of an event of which so many runs failed; None when it begins no more."""
        if not 0 < failed < self.at_most:
            return None
        due = ended_at + RETRY_PAUSES[failed - 1]
        is_too_old = (
            began_at is not None and self.longest_age is not None and due - began_at > self.longest_age
        )
        return None if is_too_old else due


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryFacts:
    """What is known beside the rows. `dead_letters` are the messages of which one of ours was seen; `unseen` says why there
    may be more, None when all was seen. `discards` are the messages whose dead letter a run of this machine discarded."""

    retries: Retries
    dead_letters: frozenset[Asked] = frozenset()
    unseen: str | None = None
    discards: Mapping[Asked, str] = field(default_factory=dict)

    def has_dead_letter(self, row: UserSubmission) -> bool:
        return row.message_id is not None and Asked(row.message_id, row.test) in self.dead_letters

    def discarded_in(self, row: UserSubmission) -> str | None:
        """Return the run of this machine that discarded a dead letter of the message."""
        return self.discards.get(Asked(row.message_id, row.test)) if row.message_id else None

    def next_run(self, row: UserSubmission) -> datetime | None:
        """Return when Lambda runs the message again if its last run failed and was asynchronous; None when the row counts
        as many attempts as Lambda gives one delivery."""
        return self.retries.next_run(failed=row.attempts, ended_at=row.updated_at, began_at=row.created_at)


def unknown_facts(why: str) -> RetryFacts:
    """What is known where nobody could be asked."""
    return RetryFacts(retries=Retries(problem=why), unseen=why)


def retry_facts(environment: Environment, *, home: Path, now: datetime) -> RetryFacts:
    """Ask Lambda for its settings, look into the queue for a few seconds, and read the journals. What does not answer is
    said to be unknown."""
    seen, unseen = _dead_letters(environment, now=now)
    return RetryFacts(
        retries=retries_of(environment),
        dead_letters=seen,
        unseen=unseen,
        discards=discards_of(home, environment=environment.name, account_id=environment.stack.account_id),
    )


def retries_of(environment: Environment) -> Retries:
    """Return what Lambda does with the processor's failed events. Raises nothing."""
    try:
        client = environment.access.client("lambda", TIMEOUTS)
        return of_settings(event_invoke(client, environment.stack.processor_function_name))
    except PilotError as exc:
        return Retries(problem=str(exc))


def of_settings(settings: EventInvoke) -> Retries:
    return Retries(runs=settings.retries + 1, longest_age=timedelta(seconds=settings.age_seconds))


def _dead_letters(environment: Environment, *, now: datetime) -> tuple[frozenset[Asked], str | None]:
    try:
        connected = environment.queue()
        found = dead_letters(connected, wants_look=True, now=now, stop=threading.Event())
    except PilotError as exc:
        return frozenset(), str(exc)
    return found.look.messages if found.look else frozenset(), _unseen(found)


def _unseen(dead_letters: DeadLetters) -> str | None:
    look = dead_letters.look
    if look is None:
        return dead_letters.no_look
    return (
        None if look.is_complete else f"saw {look.saw:,} of about {many(dead_letters.depth, 'dead letter')}"
    )
