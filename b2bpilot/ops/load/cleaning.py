"""Removing what a load left: its own rows and its own dead letters, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from b2bpilot.advice import Words, our_command
from b2bpilot.errors import AwsError
from b2bpilot.ops.load.report import Cleaning
from b2bpilot.ops.load.target import LoadTarget
from b2bpilot.ops.table.asked import WholeTable
from b2bpilot.ops.table.database_proof import require_proven
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.rows_of_tests import delete_test_rows, read_test_rows
from b2bpilot.pipeline.waiting import pause
from b2bpilot.plural import many

CHUNK = 1_000
SECOND_LOOK_SECONDS = 1.0
"""A delivery that was still on its way stores its message again: what comes back this late is removed, too."""


def clean(
    table: WholeTable, target: LoadTarget, message_ids: Sequence[str], poison_ids: frozenset[str]
) -> Cleaning:
    """Delete rows and dead letters of these test messages. Raises DatabaseError, Refused for a table that is not proven to be the
    processor's; what AWS refuses is said instead."""
    require_proven(table.proof, "nothing is removed")
    database = table.database
    left: list[Words] = []
    dead_letters = _dead_letters(target, poison_ids, left)
    rows = _delete(database, message_ids)
    if rows:
        pause(SECOND_LOOK_SECONDS)
        rows |= _delete(database, message_ids)
    remaining = _remaining(database, message_ids)
    if remaining:
        left.append(
            f"{many(len(remaining), 'row')} that a run holds, such as {remaining[0]}: resume the load when its lease has ended"
        )
    return Cleaning(rows=len(rows), dead_letters=dead_letters, left=left)


def _dead_letters(target: LoadTarget, poison_ids: frozenset[str], left: list[Words]) -> int:
    if not poison_ids:
        return 0
    try:
        found = target.dead_letters(poison_ids, patiently=False)
        deleted = target.delete_dead_letters(set(found))
    except AwsError as exc:
        some = next(iter(poison_ids))
        left.append(
            f"up to {many(len(poison_ids), 'dead letter')} ({exc}): "
            + our_command("dlq", "discard", "--message-id", some)
        )
        return 0
    if deleted < len(found):
        left.append(
            f"{many(len(found) - deleted, 'dead letter')} that SQS did not delete: "
            + our_command("dlq", "list")
        )
    return deleted


def _delete(database: DatabaseManager, message_ids: Sequence[str]) -> set[str]:
    deleted: set[str] = set()
    for start in range(0, len(message_ids), CHUNK):
        deleted.update(delete_test_rows(database, message_ids[start : start + CHUNK]))
    return deleted


def _remaining(database: DatabaseManager, message_ids: Sequence[str]) -> list[str]:
    return [
        message_id
        for start in range(0, len(message_ids), CHUNK)
        for message_id in read_test_rows(database, message_ids[start : start + CHUNK])
    ]
