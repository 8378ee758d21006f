"""Messages that a person discarded while other dead letters of them lie in the queue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from b2bpilot.advice import Words, our_command
from b2bpilot.plural import many


def discarded_lines(discarded: Mapping[str, int]) -> Iterator[Words]:
    """Return a line for each run that discarded messages whose dead letters are in the queue, by how many messages."""
    for run_id, count in discarded.items():
        yield (
            f"Discarded in run {run_id}: {many(count, 'message')}, which no delivery stores. The dead letters stay: "
            + our_command("dlq", "discard")
            + " takes them out, too; "
            + our_command("dlq", "restore", run_id)
            + " takes the discard back"
        )
