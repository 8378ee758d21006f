"""The row that has a message's id, and whether it is the message's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from b2bpilot.advice import Words
from b2bpilot.errors import PilotError
from b2bpilot.ops.inspect.context import InspectContext
from b2bpilot.ops.inspect.identity import Identifier, IdentifierKind, row_of
from b2bpilot.ops.logs.entry import LogEntry
from b2bpilot.ops.table.database_proof import DatabaseProof
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.models import UserSubmission

A_TEST_S = "a test message's that has the same id"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRow:
    """`row` is the message's own; `other` proves nothing of it, and `other_is` says why. `problem` says why nothing is known
    of the message's row, and `hint` what helps."""

    row: UserSubmission | None = None
    other: UserSubmission | None = None
    other_is: str = ""
    problem: str | None = None
    hint: Words | None = None
    database: DatabaseProof | None = None

    @property
    def any(self) -> UserSubmission | None:
        return self.row or self.other

    @property
    def is_a_tests(self) -> bool:
        """The row with the id is a test's, and the message is none."""
        return self.other_is == A_TEST_S

    def among(
        self, identifier: Identifier, dead_letters: Sequence[DeadLetter], lines: Sequence[LogEntry]
    ) -> MessageRow:
        """Return what it is beside what else is known: a test's row is not a real message's, of which Twilio's SID, a dead
        letter or a function's log tells."""
        is_real = (
            identifier.kind is IdentifierKind.MESSAGE_SID
            or any(dead_letter.message and not dead_letter.message.test for dead_letter in dead_letters)
            or any(line.message_id == identifier.message_id and line.value("test") is False for line in lines)
        )
        if self.row is None or not self.row.test or not is_real:
            return self
        return replace(self, row=None, other=self.row, other_is=A_TEST_S)


def find_row(identifier: Identifier, context: InspectContext) -> MessageRow:
    """Ask the table. What cannot be asked is a problem, not an error. Who names a database and no environment is told of
    that database."""
    try:
        with context.table() as table:
            proof = table.proof
            row = row_of(identifier.text, identifier.message_id or "", table.database)
    except PilotError as exc:
        return MessageRow(problem=str(exc), hint=exc.hint)
    if proof.is_proven or context.environment is None:
        return MessageRow(row=row, database=proof)
    return MessageRow(other=row, other_is=f"of a {proof.told()}", problem=proof.told(), database=proof)
