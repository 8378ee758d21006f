"""Twilio's parameters of an incoming message (docs/aws-facts.md#webhook-parameters). What a person types is checked
against them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches

from b2bpilot.errors import UsageError

KNOWN = frozenset(
    """
    MessageSid SmsSid SmsMessageSid AccountSid MessagingServiceSid From To Body NumMedia NumSegments ApiVersion
    SmsStatus MessageType FromCity FromState FromZip FromCountry ToCity ToState ToZip ToCountry
    ProfileName WaId Forwarded FrequentlyForwarded ChannelMetadata ChannelPrefix
    ReferralBody ReferralHeadline ReferralSourceId ReferralSourceType ReferralSourceUrl ReferralMediaId
    ReferralMediaContentType ReferralMediaUrl ReferralNumMedia ReferralCtwaClid
    ButtonText ButtonPayload ButtonType InteractiveData FlowData Latitude Longitude Address Label
    OriginalRepliedMessageSid OriginalRepliedMessageSender OptOutType ErrorCode ErrorUrl AddOns
    """.split()  # noqa: SIM905  # as a list it would take a page
)
NUMBERED = re.compile(r"Media(?:Url|ContentType)\d{1,2}")
MESSAGE_SID = re.compile(r"(?:SM|MM)[0-9a-fA-F]{32}")


def is_message_sid(text: str) -> bool:
    return MESSAGE_SID.fullmatch(text) is not None


def parse_parameter(text: str) -> tuple[str, str]:
    """Return the name and value of `KEY=VALUE`. Raises UsageError for a name that Twilio does not send."""
    name, separator, value = text.partition("=")
    if not separator:
        raise UsageError(f"{text!r} is not KEY=VALUE", hint="for example --set ProfileName=Ada")
    return checked_name(name), value


def checked_name(name: str) -> str:
    """Return the name of a parameter. Raises UsageError for one that Twilio does not send."""
    if name in KNOWN or NUMBERED.fullmatch(name):
        return name
    close = get_close_matches(name, [*sorted(KNOWN), "MediaUrl0", "MediaContentType0"], n=1)
    raise UsageError(
        f"Twilio sends no parameter {name!r}",
        hint=f"did you mean {close[0]}?" if close else "names are case-sensitive",
    )


def with_media_count(params: Mapping[str, str]) -> dict[str, str]:
    """Add the NumMedia that Twilio would send, unless it was given."""
    count = sum(name.startswith("MediaUrl") for name in params)
    return {"NumMedia": str(count), **params}
