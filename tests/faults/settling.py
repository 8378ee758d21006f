"""After healing everything must come to rest by itself: completed, ended, or a dead letter that waits for a person."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from tests.faults.books import Evidence
from tests.faults.deployment import Deployment
from tests.faults.evidence import dead_letters, message_id_of, rows

PAUSE_SECONDS = 2.0
HIDDEN_SECONDS = 400.0
"""Longer than a redriver's run: what it has taken comes back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """`seconds` after healing the last message came to rest; `unsettled` did not in time."""

    seconds: float
    unsettled: tuple[str, ...]

    def __str__(self) -> str:
        if self.unsettled:
            return f"{len(self.unsettled)} messages not at rest {self.seconds:.0f} s after healing"
        return f"everything at rest {self.seconds:.0f} s after healing"


def settle(deployment: Deployment, expected: Iterable[str], *, healed_at: float, within: float) -> Settled:
    """Wait until nothing is under way, or the time is over. Dead letters that somebody hides are waited for: they were written
    before, and say when."""
    wanted = set(expected)
    while True:
        asked_at = time.time()
        unsettled = _under_way(deployment, wanted, until=healed_at + within)
        late = asked_at - healed_at > within
        if (
            not unsettled
            or (late and not dead_letters(deployment).hidden)
            or asked_at - healed_at > HIDDEN_SECONDS
        ):
            return Settled(seconds=asked_at - healed_at, unsettled=tuple(sorted(unsettled)))
        time.sleep(PAUSE_SECONDS)  # between two reads of table and queue: who watches must not be the load


def slowest_unhelped(evidence: Evidence, helped: set[str]) -> float | None:
    """Return the longest time from a 200 to the completed row, of the messages that no command touched."""
    accepted = {message_id_of(sent.sid): sent.accepted_at for sent in evidence.sent if sent.accepted_at}
    seconds = [
        row.completed_at - accepted[row.message_id]
        for row in evidence.rows
        if row.completed_at and row.message_id in accepted and row.message_id not in helped
    ]
    return max(seconds, default=None)


def _under_way(deployment: Deployment, wanted: set[str], *, until: float) -> set[str]:
    """Read the dead letters first: what becomes a dead letter between the two reads counts as under way, and never the reverse."""
    dead = {
        dead_letter.message_id
        for dead_letter in dead_letters(deployment).found
        if dead_letter.sent_at <= until
    }
    found = rows(deployment)
    resting = {row.message_id for row in found if row.is_ended}
    return (wanted | {row.message_id for row in found}) - resting - dead
