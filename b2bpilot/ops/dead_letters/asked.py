"""What the table is asked of a dead letter."""

from __future__ import annotations

from b2bpilot.ops.table.row_state import Asked
from b2bpilot.pipeline.dead_letter import DeadLetter


def asked_of(dead_letter: DeadLetter) -> Asked:
    """Return the message of a dead letter that can be read; others are neither asked about nor sent."""
    return Asked.of(dead_letter.message) if dead_letter.message else Asked("")


def has_row(dead_letter: DeadLetter) -> bool:
    """Whether a row of ours can say what became of the dead letter's message."""
    return dead_letter.message is not None and dead_letter.owner.rows_count
