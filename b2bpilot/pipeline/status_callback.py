"""Twilio's status callbacks: reports about messages that we sent, which somebody points at the URL for what comes in."""

from __future__ import annotations

from collections.abc import Mapping

from b2bpilot.pipeline.several_values import values_of

STATE_FIELDS = ("MessageStatus", "SmsStatus")
OUTBOUND_STATES = frozenset(
    {
        "accepted",
        "canceled",
        "delivered",
        "failed",
        "partially_delivered",
        "queued",
        "read",
        "scheduled",
        "sending",
        "sent",
        "undelivered",
    }
)
"""`message_enum_status` of Twilio's OpenAPI description, without `receiving` and `received`, which only come in."""


def reported_state(params: Mapping[str, str]) -> str | None:
    """Return the state that a status callback reports; None for a message, and for whatever may be one.

    Only what says so throughout is a callback: with an unknown, an empty or an inbound state beside it, it is none.
    """
    said = [value for name in STATE_FIELDS for value in values_of(params, name)]
    return said[0] if said and OUTBOUND_STATES.issuperset(said) else None
