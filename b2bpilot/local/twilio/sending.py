"""Creating a message: what Twilio takes, and what it refuses with which error."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from b2bpilot.local.twilio.resources import message, new_sid
from b2bpilot.local.twilio.store import ResourceFilter, ResourceStore, StoredResource

E164 = re.compile(r"(?:whatsapp:)?\+[1-9]\d{6,14}")
INVALID = "+15005550001"
"""The number that Twilio's own test credentials call invalid (error 21211)."""
LONGEST_BODY = 1_600
OPTED_OUT = "opted_out"
"""The kind under which numbers are noted that have answered STOP."""


def send(
    store: ResourceStore, account_sid: str, form: Mapping[str, str], *, now: datetime
) -> tuple[StoredResource | None, tuple[int, str]]:
    """Return the message, or else Twilio's error code and text, which repeats the number as Twilio's does."""
    refusal = _refusal(store, form)
    if refusal is not None:
        return None, refusal
    fields = {"MessageSid": new_sid("SM"), **form}
    return message(account_sid, fields, direction="outbound-api", at=now, status="sent"), (0, "")


def _refusal(store: ResourceStore, form: Mapping[str, str]) -> tuple[int, str] | None:
    if not form.get("To"):
        return 21604, "A 'To' phone number is required."
    if not form.get("From") and not form.get("MessagingServiceSid"):
        return 21603, "A 'From' phone number is required."
    if not any(form.get(name) for name in ("Body", "MediaUrl", "ContentSid")):
        return 21602, "Message body is required."
    if len(form.get("Body", "")) > LONGEST_BODY:
        return 21617, f"The concatenated message body exceeds the {LONGEST_BODY:,} character limit"
    return _recipient_refusal(store, form["To"]) or _sender_refusal(store, form)


def _recipient_refusal(store: ResourceStore, to: str) -> tuple[int, str] | None:
    if not E164.fullmatch(to) or to == INVALID:
        return 21211, f"The 'To' number {to} is not a valid phone number."
    if store.get(OPTED_OUT, to) is not None:
        return 21610, f"Attempt to send to unsubscribed recipient: {to}"
    return None


def _sender_refusal(store: ResourceStore, form: Mapping[str, str]) -> tuple[int, str] | None:
    """Only the account's own numbers and services send (errors 21660, 63007 and 21701)."""
    sender, service_sid = form.get("From", ""), form.get("MessagingServiceSid", "")
    if sender:
        if store.all(ResourceFilter(kind="number", equal={"to_": sender.rpartition(":")[2]})):
            return None
        if ":" in sender:
            return 63007, f"Twilio could not find a Channel with the specified From address {sender}"
        return 21660, f"Mismatch between the 'From' number {sender} and the account"
    if store.get("service", service_sid) is None:
        return 21701, f"The Messaging Service {service_sid} does not exist"
    return None
