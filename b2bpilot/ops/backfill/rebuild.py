"""Which rows a backfill sends, and why not the others: a row becomes the message that was published, or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from b2bpilot.aws.subscriptions import Subscription
from b2bpilot.errors import MessageTooLarge, MessageUnreadable
from b2bpilot.ops.dead_letters.expression import Expression, Searchable, message_fields
from b2bpilot.ops.subscribers.filter_policy import evaluate
from b2bpilot.pipeline.message import Encoded, PilotMessage, Priority, Source, encode, format_time
from b2bpilot.pipeline.models import SubmissionStatus, UserSubmission
from b2bpilot.pipeline.stale_message import identity_of, message_from


class RowFate(StrEnum):
    """What a backfill does with a row. The values stand in JSON."""

    SEND = "send"
    BEFORE = "accepted before"
    """By an earlier attempt of the same run."""
    FILTERED = "filtered out"
    """The subscription's filter policy rejects the message."""
    UNDECIDED = "filter unknown"
    """Nobody can tell from here whether the policy accepts it."""
    NOT_SELECTED = "not selected"
    """`--where` is not true of it."""
    UNIDENTIFIED = "no message_id"
    WITHOUT_PARAMS = "no parameters"
    """A row of the system before this one: its columns are not the message."""
    DISCARDED = "discarded"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedRow:
    """One row. `message` is there exactly when it is sent."""

    fate: RowFate
    message: PilotMessage | None = field(default=None, repr=False)


def decided(row: UserSubmission, subscription: Subscription, where: Expression | None) -> DecidedRow:
    """Return what becomes of a row. Raises UsageError for an expression that cannot be applied to it."""
    if fate := _not_rebuilt(row):
        return DecidedRow(fate=fate)
    try:
        message = message_of(row)
        encoded = encode(message)
    except (MessageUnreadable, MessageTooLarge):
        return DecidedRow(fate=RowFate.UNREADABLE)
    if where is not None and not where.is_true_of(searched(row, message)):
        return DecidedRow(fate=RowFate.NOT_SELECTED)
    return _filtered(message, encoded, subscription)


def message_of(row: UserSubmission) -> PilotMessage:
    """Return the message as it was published first, by the source that published it. Raises MessageUnreadable."""
    try:
        source, _ = Source(row.source or Source.TWILIO), Priority(row.priority or Priority.NORMAL)
    except ValueError as exc:
        raise MessageUnreadable("its source or priority is another version's") from exc
    return message_from(row, identity_of(row), source=source, lenient=True)


def searched(row: UserSubmission, message: PilotMessage) -> Mapping[str, Any]:
    """Return what `--where` can name: `message`, `params` and `row`."""
    return {
        "message": message_fields(message),
        "params": dict(message.params),
        "row": {
            "id": row.id,
            "status": str(row.status),
            "attempts": row.attempts,
            "created_at": format_time(row.created_at),
            "completed_at": format_time(row.completed_at) if row.completed_at else None,
            "last_error": row.last_error,
            "reply_state": str(row.reply_state) if row.reply_state else None,
        },
    }


def _not_rebuilt(row: UserSubmission) -> RowFate | None:
    if row.message_id is None:
        return RowFate.UNIDENTIFIED
    if row.discarded_by is not None and row.status is not SubmissionStatus.COMPLETED:
        return RowFate.DISCARDED
    return RowFate.WITHOUT_PARAMS if row.params is None else None


def _filtered(message: PilotMessage, encoded: Encoded, subscription: Subscription) -> DecidedRow:
    accepts = evaluate(subscription.filter_policy, subscription.filter_policy_scope, encoded).accepts
    match accepts:
        case True:
            return DecidedRow(fate=RowFate.SEND, message=message)
        case False:
            return DecidedRow(fate=RowFate.FILTERED)
        case None:
            return DecidedRow(fate=RowFate.UNDECIDED)


_ONE = PilotMessage(
    message_id="", source=Source.TWILIO, received_at=datetime(2026, 1, 1, tzinfo=UTC), params={}
)
ROWS = Searchable(
    what="rows",
    hint="such as \"starts_with(params.From, 'whatsapp:')\" or \"row.status == 'completed'\"; "
    "fields: message.*, params.*, row.*",
    sample={
        "message": message_fields(_ONE),
        "params": {},
        "row": {
            "id": 1,
            "status": "completed",
            "attempts": 1,
            "created_at": format_time(_ONE.received_at),
            "completed_at": format_time(_ONE.received_at),
            "last_error": "",
            "reply_state": "",
        },
    },
)
"""The rows that a message can be made of: --where is asked of no other."""
