"""The messages of a phone number. Logs hold no numbers: only a row or a dead letter leads to them."""

from __future__ import annotations

from b2bpilot.errors import NotFound, UsageError
from b2bpilot.ops.inspect.context import InspectContext
from b2bpilot.ops.inspect.identity import Identifier, IdentifierKind
from b2bpilot.ops.inspect.source import MessageQuestion, ask_all
from b2bpilot.pipeline.models import UserSubmission

MOST = 20


def messages_of(number: str, context: InspectContext) -> tuple[dict[str, UserSubmission | None], bool]:
    """Return the newest messages by message_id, or by MessageSid where they have none, with their rows; and whether there are
    older rows.

    Raises UsageError without a time, NotFound when there is none, and DatabaseError.
    """
    if context.since is None:
        raise UsageError("a phone number matches many messages", hint="limit the period: --since 2h")
    with context.table() as table:
        rows = table.database.list_submissions(from_number=number, since=context.since, limit=MOST + 1)
    found: dict[str, UserSubmission | None] = {
        row.message_id or row.message_sid or str(row.id): row for row in rows[:MOST]
    }
    question = MessageQuestion(
        message_id="", ids=frozenset(), since=context.since, until=context.now, from_number=number
    )
    (queue,) = ask_all([context.sources.queue], question)
    for dead_letter in queue.answer.dead_letters:
        if dead_letter.message and dead_letter.message.received_at >= context.since:
            found.setdefault(dead_letter.message.message_id, None)
    if not found:
        what = "no row" if queue.problem else "no row and no dead letter"
        unasked = f". Not asked: {queue.name}: {queue.problem}" if queue.problem else ""
        raise NotFound(
            f"{what} is from that number since {context.since:%Y-%m-%d %H:%M} UTC{unasked}",
            hint="look further back with --since; a message that got no further than a log is found by its id only",
        )
    return found, len(rows) > MOST


def identifier_of(text: str, row: UserSubmission | None) -> Identifier:
    if row is not None and row.message_id is None:
        return Identifier(kind=IdentifierKind.MESSAGE_SID, text=text, message_id=text)
    return Identifier(kind=IdentifierKind.UUID, text=text, message_id=text)
