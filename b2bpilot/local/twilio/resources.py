"""Resources as Twilio writes them: every field of the OpenAPI description that we know of, null where nothing is set."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from b2bpilot.local.twilio.store import Resource, StoredResource

API_VERSION = "2010-04-01"


def new_sid(prefix: str) -> str:
    return f"{prefix}{secrets.token_hex(16)}"


def rfc2822(moment: datetime) -> str:
    return format_datetime(moment.astimezone(UTC).replace(microsecond=0))


def iso8601(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def message(
    account_sid: str, fields: Mapping[str, str], *, direction: str, at: datetime, status: str
) -> StoredResource:
    """Return a Message; `fields` are named as webhook parameters are."""
    sid = fields["MessageSid"]
    uri = f"/{API_VERSION}/Accounts/{account_sid}/Messages/{sid}"
    document = {
        "account_sid": account_sid,
        "api_version": API_VERSION,
        "body": fields.get("Body", ""),
        "date_created": rfc2822(at),
        "date_sent": rfc2822(at),
        "date_updated": rfc2822(at),
        "direction": direction,
        "error_code": None,
        "error_message": None,
        "from": fields.get("From"),
        "messaging_service_sid": fields.get("MessagingServiceSid"),
        "num_media": fields.get("NumMedia", "0"),
        "num_segments": fields.get("NumSegments") or _segments(fields.get("Body", "")),
        "price": None,
        "price_unit": "USD",
        "sid": sid,
        "status": status,
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": fields.get("To"),
        "uri": f"{uri}.json",
    }
    return StoredResource(
        kind="message",
        sid=sid,
        at=at.timestamp(),
        document=document,
        to=fields.get("To"),
        from_=fields.get("From"),
    )


def _segments(body: str) -> str:
    """As many as SMS needs: 160 characters in one, 153 in each of several; 70 and 67 where one is not ASCII."""
    single, each = (160, 153) if body.isascii() else (70, 67)
    return str(1 if len(body) <= single else -(-len(body) // each))


def media(
    account_sid: str, message_sid: str, media_sid: str, content_type: str, *, at: datetime
) -> StoredResource:
    document = {
        "account_sid": account_sid,
        "content_type": content_type,
        "date_created": rfc2822(at),
        "date_updated": rfc2822(at),
        "parent_sid": message_sid,
        "sid": media_sid,
        "uri": f"/{API_VERSION}/Accounts/{account_sid}/Messages/{message_sid}/Media/{media_sid}.json",
    }
    # Lists of media are oldest first in the order of the webhook's MediaUrl0, MediaUrl1.
    return StoredResource(
        kind="media", sid=media_sid, at=at.timestamp(), document=document, parent=message_sid
    )


def number(account_sid: str, phone_number: str, *, at: datetime, **settings: str | None) -> StoredResource:
    """Return an IncomingPhoneNumber; `settings` are its sms_* fields."""
    sid = new_sid("PN")
    document: Resource = {
        "account_sid": account_sid,
        "address_requirements": "none",
        "api_version": API_VERSION,
        "beta": False,
        "capabilities": {"mms": True, "sms": True, "voice": False, "fax": False},
        "date_created": rfc2822(at),
        "date_updated": rfc2822(at),
        "friendly_name": phone_number,
        "origin": "twilio",
        "phone_number": phone_number,
        "sid": sid,
        **_sms_fields(settings),
        "sms_application_sid": settings.get("sms_application_sid") or "",
        "status": "in-use",
        "status_callback": "",
        "status_callback_method": "POST",
        "uri": f"/{API_VERSION}/Accounts/{account_sid}/IncomingPhoneNumbers/{sid}.json",
        "voice_url": "",
    }
    return StoredResource(kind="number", sid=sid, at=at.timestamp(), document=document, to=phone_number)


def application(account_sid: str, name: str, *, at: datetime, **settings: str | None) -> StoredResource:
    sid = new_sid("AP")
    document: Resource = {
        "account_sid": account_sid,
        "api_version": API_VERSION,
        "date_created": rfc2822(at),
        "date_updated": rfc2822(at),
        "friendly_name": name,
        "message_status_callback": None,
        "sid": sid,
        **_sms_fields(settings),
        "sms_status_callback": "",
        "uri": f"/{API_VERSION}/Accounts/{account_sid}/Applications/{sid}.json",
        "voice_url": "",
    }
    return StoredResource(kind="application", sid=sid, at=at.timestamp(), document=document)


def service(
    account_sid: str, name: str, *, at: datetime, uses_number_webhook: bool, **urls: str | None
) -> StoredResource:
    sid = new_sid("MG")
    url = f"https://messaging.twilio.com/v1/Services/{sid}"
    document: Resource = {
        "account_sid": account_sid,
        "area_code_geomatch": True,
        "date_created": iso8601(at),
        "date_updated": iso8601(at),
        "fallback_method": "POST",
        "fallback_to_long_code": False,
        "fallback_url": urls.get("fallback_url"),
        "friendly_name": name,
        "inbound_method": "POST",
        "inbound_request_url": urls.get("inbound_request_url"),
        "links": {"phone_numbers": f"{url}/PhoneNumbers"},
        "mms_converter": True,
        "scan_message_content": "inherit",
        "sid": sid,
        "smart_encoding": True,
        "status_callback": None,
        "sticky_sender": True,
        "synchronous_validation": False,
        "url": url,
        "us_app_to_person_registered": False,
        "use_inbound_webhook_on_number": uses_number_webhook,
        "usecase": "undeclared",
        "validity_period": 36000,
    }
    return StoredResource(kind="service", sid=sid, at=at.timestamp(), document=document)


def pool_number(service_sid: str, number_document: Resource, *, at: datetime) -> StoredResource:
    """Return the number as a member of a service's pool: the same SID, another resource."""
    sid = number_document["sid"]
    document = {
        "account_sid": number_document["account_sid"],
        "capabilities": ["SMS", "MMS"],
        "country_code": "US",
        "date_created": iso8601(at),
        "date_updated": iso8601(at),
        "phone_number": number_document["phone_number"],
        "service_sid": service_sid,
        "sid": sid,
        "url": f"https://messaging.twilio.com/v1/Services/{service_sid}/PhoneNumbers/{sid}",
    }
    return StoredResource(kind="pool", sid=sid, at=at.timestamp(), document=document, parent=service_sid)


def alert(account_sid: str, fields: Mapping[str, Any], *, at: datetime) -> StoredResource:
    """Return an Alert; `fields` are what the failed request gives."""
    sid = new_sid("NO")
    document = {
        "account_sid": account_sid,
        "alert_text": "",
        "api_version": API_VERSION,
        "date_created": iso8601(at),
        "date_generated": iso8601(at),
        "date_updated": iso8601(at),
        "log_level": "error",
        "more_info": f"https://www.twilio.com/docs/errors/{fields['error_code']}",
        "request_headers": None,
        "request_method": "POST",
        "response_body": "",
        "response_headers": "",
        "service_sid": None,
        "sid": sid,
        "url": f"https://monitor.twilio.com/v1/Alerts/{sid}",
        **fields,
    }
    return StoredResource(
        kind="alert", sid=sid, at=at.timestamp(), document=document, level=document["log_level"]
    )


ALERT_DETAILS: Sequence[str] = ("request_variables", "request_headers", "response_body", "response_headers")
"""Only the fetch of a single Alert returns these."""


def account(sid: str, status: str) -> Resource:
    return {
        "date_created": "Tue, 01 Sep 2026 08:00:00 +0000",
        "date_updated": "Tue, 01 Sep 2026 08:00:00 +0000",
        "friendly_name": "b2bpilot local",
        "owner_account_sid": sid,
        "sid": sid,
        "status": status,
        "subresource_uris": {"messages": f"/{API_VERSION}/Accounts/{sid}/Messages.json"},
        "type": "Full",
        "uri": f"/{API_VERSION}/Accounts/{sid}.json",
    }


def _sms_fields(settings: Mapping[str, str | None]) -> Resource:
    return {
        "sms_fallback_method": settings.get("sms_fallback_method") or "POST",
        "sms_fallback_url": settings.get("sms_fallback_url") or "",
        "sms_method": settings.get("sms_method") or "POST",
        "sms_url": settings.get("sms_url") or "",
    }
