"""What the table is asked of a dead letter."""

from __future__ import annotations

from b2bpilot.ops.table.row_state import Asked
from b2bpilot.pipeline.dead_letter import DeadLetter


def asked_of(letter: DeadLetter) -> Asked:
    """Return the message of a letter that can be read; others are neither asked about nor sent."""
    return Asked.of(letter.message) if letter.message else Asked("")


def has_row(letter: DeadLetter) -> bool:
    """Whether a row of ours can say what became of the letter's message."""
    return letter.message is not None and letter.owner.rows_count
