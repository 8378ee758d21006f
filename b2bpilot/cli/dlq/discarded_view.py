"""Messages that a person discarded while other dead letters of them lie in the queue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from b2bpilot.advice import Words, our_command
from b2bpilot.plural import many

NAMED = 10
"""So many messages are named in one command."""


def discarded_lines(discarded: Mapping[str, Sequence[str]]) -> Iterator[Words]:
    """Return a line for each run that discarded messages whose dead letters are in the queue."""
    for run_id, message_ids in discarded.items():
        which = [word for message_id in message_ids[:NAMED] for word in ("--message-id", message_id)]
        taken = "them" if len(message_ids) <= NAMED else f"those of the first {NAMED}"
        yield (
            f"Discarded in run {run_id}: {many(len(message_ids), 'message')}, which no delivery stores. The dead letters stay: "
            + our_command("dlq", "discard", *which)
            + f" takes {taken} out, too; "
            + our_command("dlq", "restore", run_id)
            + " takes the discard back"
        )
