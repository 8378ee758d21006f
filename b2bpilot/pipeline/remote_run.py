"""A redrive that runs inside AWS: what its command and its function tell each other, as tags of the mapping (decision 6)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from b2bpilot.pipeline.dead_letter import DeadLetter

RUN_ID = "b2bpilot:redrive-run-id"
STARTED_AT = "b2bpilot:redrive-started-at"
ENDS_AT = "b2bpilot:redrive-ends-at"
MAX_FAILURES = "b2bpilot:redrive-max-failures"
ENDED = "b2bpilot:redrive-ended"

LONGEST_VALUE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteRun:
    """`started_at` is by AWS's clock, as SentTimestamp is: letters sent later are not the run's.

    `ends_at` is its last moment, done or not. `max_failures` is a share, 0.2 for a fifth. `ended` says why it is over.
    """

    run_id: str
    started_at: datetime
    ends_at: datetime
    max_failures: float
    ended: str = ""

    def tags(self) -> dict[str, str]:
        return {
            RUN_ID: self.run_id,
            STARTED_AT: self.started_at.isoformat(),
            ENDS_AT: self.ends_at.isoformat(),
            MAX_FAILURES: str(self.max_failures),
            **ended_tags(self.ended),
        }


def ended_tags(because: str) -> dict[str, str]:
    """AWS takes letters, digits, spaces and a few signs as the value of a tag."""
    return {ENDED: re.sub(r"[^\w .:/=+@-]+", " ", because)[:LONGEST_VALUE].strip()}


def remote_run(tags: Mapping[str, str]) -> RemoteRun | None:
    """Return the run that the tags tell of, the last one when none is on; None when they tell of none."""
    try:
        return RemoteRun(
            run_id=tags[RUN_ID],
            started_at=datetime.fromisoformat(tags[STARTED_AT]),
            ends_at=datetime.fromisoformat(tags[ENDS_AT]),
            max_failures=float(tags[MAX_FAILURES]),
            ended=tags.get(ENDED, ""),
        )
    except (KeyError, ValueError):
        return None


def can_be_tried(letter: DeadLetter) -> bool:
    """Whether any run may try the letter: it can be read, and did not come back too often."""
    return letter.event is not None and not letter.is_poison


def belongs(letter: DeadLetter, run: RemoteRun) -> bool:
    """Whether the run may try the letter. What was written after its start, its own failures among it, it may not."""
    return (
        can_be_tried(letter)
        and letter.redriven_by != run.run_id
        and (letter.sent_at is None or letter.sent_at < run.started_at)
    )
