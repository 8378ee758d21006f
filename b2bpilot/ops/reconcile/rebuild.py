"""The parameters that Twilio's webhook had, as far as Twilio can still tell them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from b2bpilot.ops.reconcile.verdict import Finding
from b2bpilot.pipeline.message import PilotMessage, Source, message_id_for
from b2bpilot.twilio.alerts import alert_request
from b2bpilot.twilio.failures import TwilioNotFound
from b2bpilot.twilio.messages import MessageDetails, message_details
from b2bpilot.twilio.rest import Twilio

GEOGRAPHY = tuple(f"{side}{part}" for side in ("From", "To") for part in ("City", "State", "Zip", "Country"))
WHATSAPP = (
    "ProfileName",
    "WaId",
    "Button*",
    "Latitude/Longitude/Address/Label",
    "OriginalReplied*",
    "Referral*",
)
"""Only a webhook tells these; whether a message had them, nobody can say afterwards (facts D6)."""
ADDED_FOR_FALLBACK = ("ErrorCode", "ErrorUrl")


class Origin(StrEnum):
    """Where the parameters come from."""

    ALERT = "alert"
    """The failed webhook request itself: all of them, to the letter."""
    REST = "rest"
    """The Message resource: what is in `lost` is gone for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """A message to publish. `lost` names what the webhook had and the origin has not."""

    message: PilotMessage = field(repr=False)
    origin: Origin
    lost: Sequence[str]


def rebuild(twilio: Twilio, finding: Finding) -> Rebuilt:
    """Return the message again. It counts as received when Twilio first sent it. Raises TwilioFailed."""
    params = _from_alert(twilio, finding)
    if params is not None:
        return Rebuilt(message=_message(finding, params), origin=Origin.ALERT, lost=())
    details = message_details(twilio, finding.sid)
    return Rebuilt(
        message=_message(finding, params_of(details)), origin=Origin.REST, lost=lost_fields(details)
    )


def params_of(details: MessageDetails) -> dict[str, str]:
    """Return the webhook's parameters that the REST API still has."""
    params = {
        "MessageSid": details.sid,
        "SmsSid": details.sid,
        "SmsMessageSid": details.sid,
        "AccountSid": details.account_sid,
        "From": details.from_,
        "To": details.to,
        "Body": details.body,
        "NumMedia": details.num_media,
        "NumSegments": details.num_segments,
        "SmsStatus": "received",
        "ApiVersion": details.api_version,
    }
    if details.messaging_service_sid:
        params["MessagingServiceSid"] = details.messaging_service_sid
    for place, media in enumerate(details.media):
        params[f"MediaUrl{place}"] = media.url
        params[f"MediaContentType{place}"] = media.content_type
    return params


def lost_fields(details: MessageDetails) -> tuple[str, ...]:
    """Name what the webhook may have had besides."""
    lost = WHATSAPP if details.from_.startswith("whatsapp:") else GEOGRAPHY
    expected = int(details.num_media) if details.num_media.isdigit() else 0
    gone = tuple(f"MediaUrl{place}" for place in range(len(details.media), expected))
    return (*lost, *gone)


def _from_alert(twilio: Twilio, finding: Finding) -> Mapping[str, str] | None:
    """An alert may be about another request than the webhook's: then it does not hold the message's parameters."""
    if finding.alert_sid is None:
        return None
    try:
        variables = alert_request(twilio, finding.alert_sid).variables
    except TwilioNotFound:
        return None
    if variables.get("MessageSid") != finding.sid or not {"From", "To"} <= variables.keys():
        return None
    return {name: value for name, value in variables.items() if name not in ADDED_FOR_FALLBACK}


def _message(finding: Finding, params: Mapping[str, str]) -> PilotMessage:
    return PilotMessage(
        message_id=message_id_for(finding.sid),
        source=Source.RECONCILE,
        received_at=finding.sent_at,
        params=params,
    )
