"""The parameters that Twilio's webhook had, as far as Twilio can still tell them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from b2bpilot.errors import PilotError
from b2bpilot.ops.reconcile.message_finding import ComparisonResult, MessageFinding
from b2bpilot.pipeline.message import PilotMessage, Source, message_id_for
from b2bpilot.pipeline.priority import priority_of
from b2bpilot.pipeline.status_callback import reported_state
from b2bpilot.twilio.alerts import alert_request
from b2bpilot.twilio.failures import TwilioNotFound
from b2bpilot.twilio.messages import MessageDetails, message_details
from b2bpilot.twilio.redaction import TEXT, Content, is_without_text, masked_names
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
"""Only a webhook tells these; whether a message had them, nobody can say afterwards (docs/aws-facts.md#lost-parameters)."""
ADDED_FOR_FALLBACK = ("ErrorCode", "ErrorUrl")
RECEIVED = "received"
MEDIA_ORDER = "MediaUrl*'s order"
"""Twilio promises none of its list of a message's files."""
MOST_MEDIA = 10
"""Twilio takes no more in one message."""


IsService = Callable[[str], bool]
"""Whether the account has a Messaging Service of this SID. Raises TwilioFailed."""


class RebuiltFrom(StrEnum):
    """Where the parameters come from."""

    ALERT = "alert"
    """The failed webhook request itself: all of them, to the letter."""
    REST = "rest"
    """The Message resource: what is in `lost` is gone for good."""


class LostAtTwilio(PilotError):
    """What Twilio still has of a message is not all that its webhook said."""

    code = "lost_at_twilio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """A message to publish. `lost` names what the webhook had, or may have had, and the origin has not. `is_partial`: some of
    it was redacted or deleted, or may have been."""

    message: PilotMessage = field(repr=False)
    origin: RebuiltFrom
    lost: Sequence[str]
    is_partial: bool = False


def rebuild(
    twilio: Twilio,
    finding: MessageFinding,
    *,
    allow_partial: bool = False,
    is_service: IsService,
    high: frozenset[str] = frozenset(),
) -> Rebuilt:
    """Return the message again, urgent if it was sent to one of the `high` numbers. It counts as received when Twilio first sent
    it. Raises TwilioFailed, and LostAtTwilio unless a part will do."""
    variables = _from_alert(twilio, finding)
    try:
        details = message_details(twilio, finding.sid)
    except TwilioNotFound as exc:
        return _deleted(finding, variables if allow_partial else None, exc, high)
    params = (
        params_of(details, is_service=is_service) if variables is None else _completed(variables, details)
    )
    gaps = _gaps(finding, params, details)
    if gaps and not allow_partial:
        raise LostAtTwilio(
            f"redacted or deleted at Twilio, or it may have been: {', '.join(gaps)}; --allow-partial publishes the rest"
        )
    return Rebuilt(
        message=_message(finding, _without_masks(params), high),
        origin=RebuiltFrom.REST if variables is None else RebuiltFrom.ALERT,
        lost=(*gaps, *(lost_fields(details, params) if variables is None else ())),
        is_partial=bool(gaps),
    )


def _deleted(
    finding: MessageFinding, variables: Mapping[str, str] | None, error: TwilioNotFound, high: frozenset[str]
) -> Rebuilt:
    """Only an alert may still hold a message that was deleted; its files are gone with it."""
    if variables is None:
        raise LostAtTwilio(f"deleted at Twilio: {error}") from error
    gone = tuple(name for name in variables if name.startswith("MediaUrl"))
    return Rebuilt(
        message=_message(finding, _without_masks(variables), high),
        origin=RebuiltFrom.ALERT,
        lost=(*masked_names(variables), *gone),
        is_partial=True,
    )


def params_of(details: MessageDetails, *, is_service: IsService) -> dict[str, str]:
    """Return the webhook's parameters that the REST API still has, and nothing that it does not say."""
    known = {
        "MessageSid": details.sid,
        "SmsSid": details.sid,
        "SmsMessageSid": details.sid,
        **{name: value for name, value in _told(details).items() if value is not None},
    }
    if details.messaging_service_sid and is_service(details.messaging_service_sid):
        known["MessagingServiceSid"] = details.messaging_service_sid
    for place, media in enumerate(details.media):
        known[f"MediaUrl{place}"] = media.url
        if media.content_type is not None:
            known[f"MediaContentType{place}"] = media.content_type
    return known


def _told(details: MessageDetails) -> Mapping[str, str | None]:
    """What a message has of its own, by the webhook's names: null where Twilio does not tell."""
    return {
        "AccountSid": details.account_sid,
        "From": details.from_,
        "To": details.to,
        "Body": details.body,
        "NumMedia": details.num_media,
        "NumSegments": details.num_segments,
        "SmsStatus": details.status if details.status == RECEIVED else None,
        "ApiVersion": details.api_version,
    }


def lost_fields(details: MessageDetails, params: Mapping[str, str]) -> tuple[str, ...]:
    """Name what the webhook may have had besides."""
    is_whatsapp = (details.from_ or "").startswith("whatsapp:")
    untold = [name for name, value in _told(details).items() if value is None]
    if details.messaging_service_sid and "MessagingServiceSid" not in params:
        untold.append("MessagingServiceSid")
    if len(details.media) > 1:
        untold.append(MEDIA_ORDER)
    return (*untold, *(WHATSAPP if is_whatsapp else GEOGRAPHY))


def _completed(variables: Mapping[str, str], details: MessageDetails) -> Mapping[str, str]:
    """Alert and message may be redacted apart; what one of them still shows is known."""
    known = _told(details)
    redacted = [*masked_names(variables), *([TEXT] if is_without_text(variables) else [])]
    return {**variables, **{name: value for name in redacted if (value := known.get(name))}}


def _gaps(finding: MessageFinding, params: Mapping[str, str], details: MessageDetails) -> tuple[str, ...]:
    """Name what was taken away at Twilio, or may have been: masked numbers, a blank text, files that are gone."""
    text = (TEXT,) if _may_lack_text(finding, params, details) else ()
    return (*masked_names(params), *text, *_gone_media(params, details))


def _may_lack_text(finding: MessageFinding, params: Mapping[str, str], details: MessageDetails) -> bool:
    """Media without a text is whole where the comparison found that the account's texts are kept, all of them."""
    if not is_without_text(params):
        return False
    is_whole = details.content is Content.MEDIA_ONLY and finding.result is ComparisonResult.MISSING
    return not is_whole or bool(masked_names(params))


def _gone_media(params: Mapping[str, str], details: MessageDetails) -> tuple[str, ...]:
    """An alert keeps the URL of a file that was deleted since."""
    count = params.get("NumMedia", "")
    expected = min(int(count), MOST_MEDIA) if count.isdecimal() else 0
    if len(details.media) >= expected:
        return ()
    kept = {_sid(each.url) for each in details.media}
    names = [f"MediaUrl{place}" for place in range(expected)]
    return tuple(name for name in names if _sid(params.get(name, "")) not in kept)


def _sid(url: str) -> str:
    return url.rpartition("/")[2]


def _without_masks(params: Mapping[str, str]) -> Mapping[str, str]:
    """A masked number is nobody's, and must not be answered."""
    return {**params, **dict.fromkeys(masked_names(params), "")}


def _from_alert(twilio: Twilio, finding: MessageFinding) -> Mapping[str, str] | None:
    """An alert may be about another request than the webhook's: then it does not hold the message's parameters."""
    if finding.alert_sid is None:
        return None
    try:
        variables = alert_request(twilio, finding.alert_sid).variables
    except TwilioNotFound:
        return None
    if variables.get("MessageSid") != finding.sid or not {"From", "To"} <= variables.keys():
        return None
    if reported_state(variables):
        return None
    return {name: value for name, value in variables.items() if name not in ADDED_FOR_FALLBACK}


def _message(finding: MessageFinding, params: Mapping[str, str], high: frozenset[str]) -> PilotMessage:
    return PilotMessage(
        message_id=message_id_for(finding.sid),
        source=Source.RECONCILE,
        received_at=finding.sent_at,
        params=params,
        priority=priority_of(params, high),
    )
