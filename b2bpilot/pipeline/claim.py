"""The right to work on a message, and what of it goes into the table's columns."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from b2bpilot.pipeline.message import PilotMessage, sid_in, spellings
from b2bpilot.pipeline.models import ReplyState

ERROR_LENGTH = 2_000
"""So much of an error is kept in the row."""

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to work on a message until the lease ends. `attempts` fences off a run that outlived its lease."""

    message_id: str
    attempts: int
    reply_state: ReplyState | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionFields:
    """What a message says, as the table's columns. Text holds no NUL and no lone surrogate: PostgreSQL takes neither."""

    from_number: str | None
    to_number: str | None
    body: str | None
    num_media: int


def claim_values(message: PilotMessage, lease: timedelta, *, adopts: bool, answers: bool) -> dict[str, Any]:
    """Return the parameters of the statement that claims the message."""
    message_id, *others = spellings(message.message_id)
    sid = sid_in(message.params)
    return {
        "message_id": message_id,
        "other_spellings": others,
        "message_sid": storable(message.params.get("MessageSid")) or sid,
        "old_sid": sid if adopts and not message.test else None,
        "answers": answers,
        "source": message.source.value,
        "message_type": message.message_type.value,
        "priority": message.priority.value,
        "test": message.test,
        "params": json.dumps(dict(message.params)),
        "received_at": message.received_at,
        "lease": lease,
    }


def fence(claim: Claim) -> dict[str, Any]:
    """Return the parameters that let a statement touch the row only while the claim holds."""
    return {"message_id": claim.message_id, "attempts": claim.attempts}


def storable(text: str | None) -> str | None:
    """Return text that PostgreSQL can store: NUL and lone surrogates become U+FFFD."""
    if text is None:
        return None
    return UNSTORABLE.sub("\ufffd", text)
