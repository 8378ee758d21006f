"""What an operator may call a message by, and the row that it leads to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from b2bpilot.advice import our_command
from b2bpilot.errors import MessageUnreadable, NotFound, UsageError
from b2bpilot.ops.parameters import is_message_sid
from b2bpilot.ops.ports import SubmissionLookup
from b2bpilot.pipeline.message import message_id_for, parse_message_id
from b2bpilot.pipeline.models import UserSubmission

NUMBER = re.compile(r"([a-z]+:)?\+?\d{5,15}")


class IdentifierKind(StrEnum):
    """What an id looks like. A UUID may be a message_id, SNS's MessageId or a Lambda request id: all look alike."""

    MESSAGE_SID = "MessageSid"
    UUID = "id"
    NUMBER = "phone number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """What was asked for. `message_id` is what it stands for, unless it turns out to be another kind of UUID."""

    kind: IdentifierKind
    text: str
    message_id: str | None


def parse_identifier(text: str) -> Identifier:
    """Raises UsageError for what is none of them."""
    if NUMBER.fullmatch(text):
        return Identifier(kind=IdentifierKind.NUMBER, text=text, message_id=None)
    try:
        message_id = identify(text)
    except UsageError as exc:
        raise UsageError(
            f"{text!r} is neither a message_id, a MessageSid, SNS's MessageId, a request id nor a phone number",
            hint="a UUID, SM or MM with 32 hexadecimal digits, or +15005550006 with --since",
        ) from exc
    if is_message_sid(text):
        return Identifier(kind=IdentifierKind.MESSAGE_SID, text=text, message_id=message_id)
    return Identifier(kind=IdentifierKind.UUID, text=message_id, message_id=message_id)


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


def find(text: str, table: SubmissionLookup) -> UserSubmission:
    """Return the row of a message_id or a MessageSid. Raises UsageError, NotFound."""
    message_id = identify(text)
    row = row_of(text, message_id, table)
    if row is None:
        raise NotFound(
            f"message {message_id} has no row",
            hint="it may be on its way, or a dead letter; "
            + our_command("inspect", text)
            + " asks everything that could know it",
        )
    return row


def row_of(text: str, message_id: str, table: SubmissionLookup) -> UserSubmission | None:
    """Return the row of a message; one of the system before this one has a MessageSid and no message_id."""
    row = table.get_submission_by_message_id(message_id)
    if row is None and is_message_sid(text):
        return table.get_submission_by_message_sid(text)
    return row
