"""Messaging Services: pools of numbers with one place where their messages go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from b2bpilot.twilio.failures import TwilioDenied, TwilioNotFound, translated
from b2bpilot.twilio.numbers import moment
from b2bpilot.twilio.rest import PAGE, Twilio
from b2bpilot.twilio.webhook_setting import WebhookSetting, require_url

SERVICES_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """With `uses_number_webhook` each number's own URL wins over the service's (docs/aws-facts.md#effective-url)."""

    sid: str
    name: str
    webhook: WebhookSetting
    uses_number_webhook: bool
    changed_at: datetime | None = None


def services(twilio: Twilio) -> Iterator[Service]:
    """Raises TwilioFailed."""
    with translated("list the Messaging Services"):
        for found in twilio.client.messaging.v1.services.stream(page_size=SERVICES_PAGE):
            yield _service(found)


def service(twilio: Twilio, sid: str) -> Service:
    """Raises TwilioFailed."""
    with translated(f"read Messaging Service {sid}"):
        return _service(twilio.client.messaging.v1.services(sid).fetch())


def is_service(twilio: Twilio, sid: str) -> bool:
    """Tell whether the account is known to have such a service now; a key may not be allowed to ask. Raises TwilioFailed."""
    try:
        service(twilio, sid)
    except (TwilioNotFound, TwilioDenied):
        return False
    return True


def number_sids(twilio: Twilio, service_sid: str) -> Iterator[str]:
    """Yield the SIDs of the phone numbers in a service's pool. Raises TwilioFailed."""
    with translated(f"list the numbers of Messaging Service {service_sid}"):
        pool = twilio.client.messaging.v1.services(service_sid).phone_numbers
        for found in pool.stream(page_size=PAGE):
            yield str(found.sid)


def set_service_webhook(twilio: Twilio, sid: str, setting: WebhookSetting) -> WebhookSetting:
    """Return what Twilio's answer says is set now. Raises TwilioFailed, and Refused for a blank URL."""
    require_url(setting, sid)
    with translated(f"change Messaging Service {sid}"):
        answered = twilio.client.messaging.v1.services(sid).update(
            inbound_request_url=setting.url,
            inbound_method=setting.method,
            fallback_url=setting.fallback_url,
            fallback_method=setting.fallback_method,
        )
        return _setting(answered)


def _service(found: Any) -> Service:
    return Service(
        sid=str(found.sid),
        name=str(found.friendly_name or ""),
        webhook=_setting(found),
        uses_number_webhook=bool(found.use_inbound_webhook_on_number),
        changed_at=moment(found.date_updated),
    )


def _setting(found: Any) -> WebhookSetting:
    return WebhookSetting(
        url=found.inbound_request_url or "",
        method=found.inbound_method or "POST",
        fallback_url=found.fallback_url or "",
        fallback_method=found.fallback_method or "POST",
    )
