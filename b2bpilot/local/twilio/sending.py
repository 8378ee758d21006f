"""Creating a message: what Twilio takes, and what it refuses with which error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from b2bpilot.local.twilio.book import Book, Entry
from b2bpilot.local.twilio.resources import message, new_sid

E164 = re.compile(r"(?:whatsapp:)?\+[1-9]\d{6,14}")
INVALID = "+15005550001"
"""The number that Twilio's own test credentials call invalid (error 21211)."""
OPTED_OUT = "opted_out"
"""The kind under which numbers are noted that have answered STOP."""


def send(
    book: Book, account_sid: str, form: Mapping[str, str], *, now: datetime
) -> tuple[Entry | None, tuple[int, str]]:
    """Return the message, or else Twilio's error code and text, which repeats the number as Twilio's does."""
    refusal = _refusal(book, form)
    if refusal is not None:
        return None, refusal
    fields = {"MessageSid": new_sid("SM"), **form}
    return message(account_sid, fields, direction="outbound-api", at=now, status="sent"), (0, "")


def _refusal(book: Book, form: Mapping[str, str]) -> tuple[int, str] | None:
    to = form.get("To", "")
    if not to:
        return 21604, "A 'To' phone number is required."
    if not form.get("From") and not form.get("MessagingServiceSid"):
        return 21603, "A 'From' phone number is required."
    if not any(form.get(name) for name in ("Body", "MediaUrl", "ContentSid")):
        return 21602, "Message body is required."
    if not E164.fullmatch(to) or to == INVALID:
        return 21211, f"The 'To' number {to} is not a valid phone number."
    if book.get(OPTED_OUT, to) is not None:
        return 21610, f"Attempt to send to unsubscribed recipient: {to}"
    return None
