"""Webhook parameters as Twilio sends them, for demonstrations, tests and measurements
(docs/aws-facts.md#webhook-parameters)."""

from __future__ import annotations

import uuid
from enum import StrEnum

ACCOUNT_SID = "AC" + "f" * 32
SENDER = "+15005550006"
NUMBER = "+15005550001"
"""Both are Twilio's magic test numbers: they belong to nobody."""


LONGEST_BODY = 1_600


class Sample(StrEnum):
    """What a sample message carries."""

    TEXT = "text"
    MEDIA = "media"
    BUTTON = "button"
    LOCATION = "location"
    EMOJI = "emoji"
    EMPTY = "empty"
    LONG = "long"
    """As long as Twilio lets a body be."""
    POISON = "poison"
    """Signed by Twilio, but with a parameter that makes no sense: it can never be stored."""


SPECIFIC: dict[Sample, dict[str, str]] = {
    Sample.TEXT: {"Body": "Two pallets of A4 paper, please"},
    Sample.MEDIA: {
        "Body": "",
        "NumMedia": "1",
        "MediaUrl0": f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/MM1/Media/ME1",
        "MediaContentType0": "image/jpeg",
    },
    Sample.BUTTON: {"Body": "Confirm", "ButtonText": "Confirm", "ButtonPayload": "order-4711"},
    Sample.LOCATION: {"Body": "", "Latitude": "52.5200", "Longitude": "13.4050", "Label": "Warehouse 3"},
    Sample.EMOJI: {"Body": "Delivered 🚚, danke schön!", "ProfileName": "Zoë"},
    Sample.EMPTY: {"Body": ""},
    Sample.LONG: {"Body": ("Two pallets of A4 paper, please. " * 49)[:LONGEST_BODY], "NumSegments": "11"},
    Sample.POISON: {"Body": "see attachments", "NumMedia": "two"},
}


def sample_params(kind: Sample, **changes: str) -> dict[str, str]:
    """Return the form parameters of a new message: a SID that no other has, blank values as Twilio leaves them."""
    sid = f"SM{uuid.uuid4().hex}"
    return {
        "MessageSid": sid,
        "SmsSid": sid,
        "SmsMessageSid": sid,
        "AccountSid": ACCOUNT_SID,
        "From": f"whatsapp:{SENDER}",
        "To": f"whatsapp:{NUMBER}",
        "NumMedia": "0",
        "NumSegments": "1",
        "ProfileName": "Ana",
        "WaId": SENDER.removeprefix("+"),
        "FromZip": "",
        **SPECIFIC[kind],
        **changes,
    }
