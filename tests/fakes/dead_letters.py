"""Dead letters as SQS gives them, and the journal and archive of those who work on them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from b2bpilot.ops.dead_letters.archive import Origin
from b2bpilot.ops.runs.journal import Journal
from tests.events import message, received, sns_event
from tests.fakes.faults import Faults

ORIGIN = Origin(environment="staging", account_id="123456789012", region="eu-west-1")
CHANGES = frozenset({"send", "delete", "write", "mark"})
"""The calls that change something, in the queue, the journal and the table."""


def dead(text: str = "boom", *, sent_at: int = 1_791_564_206_327, **changes: Any) -> dict[str, Any]:
    """A message as SQS gives it for a run that failed with `text`; `changes` are the inner message's."""
    dead_letter = received(
        sns_event(message(**changes)),
        RequestID=("String", str(uuid.uuid4())),
        ErrorCode=("Number", "200"),
        ErrorMessage=("String", text),
    )
    dead_letter["Attributes"]["SentTimestamp"] = str(sent_at)
    return dead_letter


def killed_at(step: int, *, after: bool) -> Faults:
    """The process dies before or after the step of this number that changes something."""
    return Faults.killed_at(step, after=after, among=CHANGES)


class FaultyJournal(Journal):
    """A journal that fails in the same plan as the queue."""

    faults = Faults()

    @classmethod
    def begun(cls, home: Path, command: str, faults: Faults) -> Self:
        journal = cls.create(
            home,
            command=command,
            environment=ORIGIN.environment,
            account_id=ORIGIN.account_id,
            region=ORIGIN.region,
            operator="ana@laptop",
            reason=None,
            parameters={},
        )
        journal.faults = faults
        return journal

    def write(self, *entries: Mapping[str, object], durable: bool = True) -> None:
        with self.faults.around("write"):
            super().write(*entries, durable=durable)
