"""One message as Twilio kept it, whichever way it went, and what an alert tells about the request that failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import parse_qsl

from b2bpilot.twilio.failures import translated
from b2bpilot.twilio.messages import INBOUND, came_in, moment_of
from b2bpilot.twilio.rest import Twilio
from b2bpilot.twilio.webhook_setting import parts_of


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptMessage:
    """`at` is when Twilio called the webhook, or sent it, to the second (docs/aws-facts.md#message-dates); Twilio need
    not tell."""

    sid: str
    direction: str
    status: str
    at: datetime | None
    error_code: str | None

    @property
    def is_inbound(self) -> bool:
        return self.direction == INBOUND


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertReport:
    """`url` is without its query and password; `answered` is the HTTP status, if there was an answer."""

    url: str
    answered: str | None
    text: str = field(repr=False)


def kept_message(twilio: Twilio, sid: str) -> KeptMessage:
    """Raises TwilioFailed."""
    with translated(f"read message {sid}"):
        found = twilio.client.messages(sid).fetch()
        return KeptMessage(
            sid=sid,
            direction=INBOUND if came_in(found) else str(found.direction or "unknown direction"),
            status=str(found.status or "unknown"),
            at=moment_of(found),
            error_code=str(found.error_code) if found.error_code else None,
        )


def alert_report(twilio: Twilio, sid: str) -> AlertReport:
    """Raises TwilioFailed."""
    with translated(f"read alert {sid}"):
        found = twilio.client.monitor.v1.alerts(sid).fetch()
        said = {name.lower(): value for name, value in parse_qsl(found.alert_text or "")}
        answered = said.get("httpresponse", "0")
        return AlertReport(
            url=_bare(found.request_url or ""),
            answered=answered if answered not in ("", "0") else None,
            text=said.get("msg", "") if said else str(found.alert_text or ""),
        )


def _bare(url: str) -> str:
    parts = parts_of(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.netloc else ""
