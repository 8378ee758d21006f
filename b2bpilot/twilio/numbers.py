"""Phone numbers and TwiML applications: both say with the same four fields where messages go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from b2bpilot.twilio.failures import translated
from b2bpilot.twilio.rest import PAGE, Twilio
from b2bpilot.twilio.webhook_setting import WebhookSetting, require_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """One of the account's phone numbers. With an application set, Twilio ignores the number's own URLs
    (docs/aws-facts.md#effective-url)."""

    sid: str
    phone_number: str = field(repr=False)
    webhook: WebhookSetting
    application_sid: str | None
    changed_at: datetime | None = None
    """When anything about it was changed last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A TwiML application; any number of phone numbers may use it."""

    sid: str
    webhook: WebhookSetting
    changed_at: datetime | None = None


def numbers(twilio: Twilio, *, phone_number: str | None = None) -> Iterator[Number]:
    """Yield the account's numbers, all or the one that is `phone_number` (E.164). Raises TwilioFailed."""
    wanted = {"phone_number": phone_number} if phone_number else {}
    with translated("list the phone numbers"):
        for found in twilio.client.incoming_phone_numbers.stream(page_size=PAGE, **wanted):
            if phone_number in (None, found.phone_number):  # Twilio matches parts of numbers, too
                yield _number(found)


def number(twilio: Twilio, sid: str) -> Number:
    """Raises TwilioFailed."""
    with translated(f"read phone number {sid}"):
        return _number(twilio.client.incoming_phone_numbers(sid).fetch())


def set_number_webhook(twilio: Twilio, sid: str, setting: WebhookSetting) -> WebhookSetting:
    """Return what Twilio's answer says is set now. Raises TwilioFailed, and Refused for a blank URL."""
    require_url(setting, sid)
    with translated(f"change phone number {sid}"):
        return _setting(twilio.client.incoming_phone_numbers(sid).update(**_fields(setting)))


def application(twilio: Twilio, sid: str) -> Application:
    """Raises TwilioFailed."""
    with translated(f"read application {sid}"):
        found = twilio.client.applications(sid).fetch()
        return Application(sid=sid, webhook=_setting(found), changed_at=moment(found.date_updated))


def set_application_webhook(twilio: Twilio, sid: str, setting: WebhookSetting) -> WebhookSetting:
    """Return what Twilio's answer says is set now. Raises TwilioFailed, and Refused for a blank URL."""
    require_url(setting, sid)
    with translated(f"change application {sid}"):
        return _setting(twilio.client.applications(sid).update(**_fields(setting)))


def _number(found: Any) -> Number:
    return Number(
        sid=str(found.sid),
        phone_number=str(found.phone_number),
        webhook=_setting(found),
        application_sid=found.sms_application_sid or None,
        changed_at=moment(found.date_updated),
    )


def moment(found: Any) -> datetime | None:
    """Return what the SDK read as a time; it leaves alone what it cannot read."""
    return found if isinstance(found, datetime) else None


def _setting(found: Any) -> WebhookSetting:
    return WebhookSetting(
        url=found.sms_url or "",
        method=found.sms_method or "POST",
        fallback_url=found.sms_fallback_url or "",
        fallback_method=found.sms_fallback_method or "POST",
    )


def _fields(setting: WebhookSetting) -> dict[str, str]:
    return {
        "sms_url": setting.url,
        "sms_method": setting.method,
        "sms_fallback_url": setting.fallback_url,
        "sms_fallback_method": setting.fallback_method,
    }
