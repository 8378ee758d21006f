"""The message that a command publishes: checked before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from b2bpilot.errors import MessageUnreadable, UsageError
from b2bpilot.ops.parameters import is_message_sid, with_media_count
from b2bpilot.pipeline.message import (
    PilotMessage,
    Priority,
    Source,
    message_id_for,
    new_message_id,
    parse_message_id,
)

TEST_PARAMS = {"From": "+15005550006", "To": "+15005550001", "Body": "Test message from b2bpilot"}
"""Twilio's own test numbers: nobody has them."""


def compose(
    params: Mapping[str, str],
    *,
    message_id: str | None,
    real: bool,
    now: datetime,
    priority: Priority = Priority.NORMAL,
) -> PilotMessage:
    """Return the message to publish: a test unless `real`. A MessageSid decides the id, as it does for a webhook.

    Raises UsageError for what contradicts itself, or misses what a real message has.
    """
    if real and (missing := [name for name in TEST_PARAMS if name not in params]):
        raise UsageError(f"a real message needs its own {', '.join(missing)}")
    sid = params.get("MessageSid")
    if sid is not None and not is_message_sid(sid):
        raise UsageError(f"MessageSid {sid!r} is not a Twilio SID", hint="SM or MM and 32 hexadecimal digits")
    return PilotMessage(
        message_id=_identity(message_id, sid),
        source=Source.CLI,
        received_at=now,
        params=with_media_count({**({} if real else TEST_PARAMS), **params}),
        test=not real,
        priority=priority,
    )


def _identity(message_id: str | None, message_sid: str | None) -> str:
    if message_id is None:
        return message_id_for(message_sid) if message_sid else new_message_id()
    try:
        chosen = parse_message_id(message_id)
    except MessageUnreadable as exc:
        raise UsageError(f"--message-id: {message_id!r} is not a UUID") from exc
    if message_sid and chosen != message_id_for(message_sid):
        raise UsageError(
            f"--message-id {chosen} is not the id of MessageSid {message_sid}",
            hint=f"leave it out: the SID decides, and its id is {message_id_for(message_sid)}",
        )
    return chosen
