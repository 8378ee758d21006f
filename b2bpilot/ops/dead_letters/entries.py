"""What a run about dead letters writes into its journal."""

from __future__ import annotations

from collections.abc import Mapping

from b2bpilot.pipeline.dead_letter import DeadLetter


def entry(event: str, dead_letter: DeadLetter, **fields: object) -> Mapping[str, object]:
    """Return a line of the journal about one dead letter."""
    message_id = dead_letter.message_id
    return {
        "event": event,
        "queue_message_id": dead_letter.queue_message_id,
        "message_id": message_id,
        **fields,
    }
