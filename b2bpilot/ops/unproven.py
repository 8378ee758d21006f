"""What a run published, or meant to, and cannot prove."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class UnprovenMessage:
    """A message that is not proven to be stored, and why. `sid` is empty where the message was not looked for at Twilio."""

    message_id: str
    reason: str
    sid: str = ""
