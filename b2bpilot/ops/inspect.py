"""What is known of one message."""

from __future__ import annotations

from typing import Protocol

from b2bpilot.errors import MessageUnreadable, NotFound, UsageError
from b2bpilot.ops.parameters import is_message_sid
from b2bpilot.pipeline.message import message_id_for, parse_message_id
from b2bpilot.pipeline.models import UserSubmission


class Submissions(Protocol):
    def get_submission_by_message_id(self, message_id: str) -> UserSubmission | None: ...


def identify(text: str) -> str:
    """Return the message_id that a message_id or a Twilio MessageSid stands for. Raises UsageError."""
    if is_message_sid(text):
        return message_id_for(text)
    try:
        return parse_message_id(text)
    except MessageUnreadable as exc:
        raise UsageError(
            f"{text!r} is neither a message_id nor a MessageSid",
            hint="a UUID, or SM or MM with 32 hexadecimal digits",
        ) from exc


def find(message_id: str, table: Submissions) -> UserSubmission:
    """Return the message's row. Raises NotFound."""
    row = table.get_submission_by_message_id(message_id)
    if row is None:
        raise NotFound(
            f"message {message_id} has no row",
            hint="it may be on its way, or a dead letter; `b2bpilot submissions list --since 1h` shows what arrived",
        )
    return row
