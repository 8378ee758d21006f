"""What a run about dead letters writes into its journal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from b2bpilot.pipeline.dead_letter import DeadLetter


class Journal(Protocol):
    """Where a run writes before it acts; returns only when the entries are on disk, or not `durable` with the kernel."""

    def write(self, *entries: Mapping[str, object], durable: bool = True) -> None: ...


def entry(event: str, letter: DeadLetter, **fields: object) -> Mapping[str, object]:
    """Return a line of the journal about one letter."""
    message_id = letter.message.message_id if letter.message else None
    return {"event": event, "queue_message_id": letter.queue_message_id, "message_id": message_id, **fields}
