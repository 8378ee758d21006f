"""The endpoints: which resource a request means, and what Twilio answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus

from b2bpilot.local.twilio import messages, resources
from b2bpilot.local.twilio.pages import new_page, old_page
from b2bpilot.local.twilio.request import Call, DoubleAccount, DoubleRequest, Refusal
from b2bpilot.local.twilio.store import Resource, ResourceFilter, ResourceStore

ACCOUNT = "/api/2010-04-01/Accounts/(?P<account>AC[0-9a-f]{32})"
ALERT_DAYS = 30
SMS_FIELDS = {
    "SmsUrl": "sms_url",
    "SmsMethod": "sms_method",
    "SmsFallbackUrl": "sms_fallback_url",
    "SmsFallbackMethod": "sms_fallback_method",
    "SmsApplicationSid": "sms_application_sid",
}
SERVICE_FIELDS = {
    "InboundRequestUrl": "inbound_request_url",
    "InboundMethod": "inbound_method",
    "FallbackUrl": "fallback_url",
    "FallbackMethod": "fallback_method",
}
ON_NUMBER = "UseInboundWebhookOnNumber"


def answer(
    store: ResourceStore,
    account: DoubleAccount,
    request: DoubleRequest,
    *,
    now: datetime,
    redacts: bool = False,
) -> tuple[int, Resource]:
    """Return status and document. Raises Refusal."""
    if request.credentials not in ((account.sid, account.auth_token), account.api_key):
        raise Refusal(401, 20003, "Authenticate")
    for method, pattern, endpoint in ENDPOINTS:
        match = pattern.fullmatch(request.path)
        if method == request.method and match:
            sids = match.groupdict()
            if sids.get("account", account.sid) != account.sid:
                raise Refusal(401, 20003, "Authenticate")
            if account.status != "active" and endpoint is not _account:
                raise Refusal(403, 20005, "Account not active")
            call = Call(store=store, account=account, request=request, sids=sids, now=now, redacts=redacts)
            return endpoint(call)
    raise Call(store=store, account=account, request=request, sids={}, now=now).missing


def _account(call: Call) -> tuple[int, Resource]:
    if call.request.credentials == call.account.api_key:
        raise Refusal(401, 20003, "Authenticate")
    return HTTPStatus.OK, resources.account(call.account.sid, call.account.status)


def _numbers(call: Call) -> tuple[int, Resource]:
    phone_number = call.request.query.get("PhoneNumber")
    wanted = ResourceFilter(kind="number", equal={"to_": phone_number} if phone_number else {})
    return HTTPStatus.OK, old_page(call.store, call.listing("incoming_phone_numbers", wanted))


def _services(call: Call) -> tuple[int, Resource]:
    return HTTPStatus.OK, new_page(
        call.store, call.listing("services", ResourceFilter(kind="service")), product="messaging"
    )


def _pool(call: Call) -> tuple[int, Resource]:
    if call.store.get("service", call.sids["sid"]) is None:
        raise call.missing
    wanted = ResourceFilter(kind="pool", equal={"parent": call.sids["sid"]})
    return HTTPStatus.OK, new_page(call.store, call.listing("phone_numbers", wanted), product="messaging")


def _update_service(call: Call) -> tuple[int, Resource]:
    form = call.request.form
    changes: Resource = {field: form[name] or None for name, field in SERVICE_FIELDS.items() if name in form}
    if ON_NUMBER in form:
        changes["use_inbound_webhook_on_number"] = form[ON_NUMBER].lower() == "true"
    return HTTPStatus.OK, call.changed("service", changes)


def _alerts(call: Call) -> tuple[int, Resource]:
    query = call.request.query
    kept = call.now - timedelta(days=ALERT_DAYS)
    since, end = max(call.moment("StartDate") or kept, kept), call.moment("EndDate")
    until = end + timedelta(seconds=1) if end else None
    level = query.get("LogLevel")
    wanted = ResourceFilter(
        kind="alert",
        equal={"level": level} if level else {},
        since=since.timestamp(),
        until=until.timestamp() if until else None,
    )
    page = new_page(call.store, call.listing("alerts", wanted), product="monitor")
    for alert in page["alerts"]:
        for detail in resources.ALERT_DETAILS:
            alert.pop(detail, None)
    return HTTPStatus.OK, page


def _one(kind: str) -> Callable[[Call], tuple[int, Resource]]:
    def fetch(call: Call) -> tuple[int, Resource]:
        found = call.store.get(kind, call.sids["sid"])
        if found is None:
            raise call.missing
        return HTTPStatus.OK, found

    return fetch


def _update_sms(kind: str) -> Callable[[Call], tuple[int, Resource]]:
    def update(call: Call) -> tuple[int, Resource]:
        form = call.request.form
        changes = {field: form[name] for name, field in SMS_FIELDS.items() if name in form}
        return HTTPStatus.OK, call.changed(kind, changes)

    return update


def _sid(prefix: str) -> str:
    return f"(?P<sid>{prefix}[0-9a-f]{{32}})"


MESSAGE = f"{ACCOUNT}/Messages/{_sid('(?:SM|MM)')}"
ENDPOINTS = tuple(
    (method, re.compile(pattern), endpoint)
    for method, pattern, endpoint in (
        ("GET", rf"{ACCOUNT}\.json", _account),
        ("GET", rf"{ACCOUNT}/Messages\.json", messages.messages),
        ("POST", rf"{ACCOUNT}/Messages\.json", messages.create_message),
        ("GET", rf"{MESSAGE}\.json", _one("message")),
        ("POST", rf"{MESSAGE}\.json", messages.redact_message),
        ("DELETE", rf"{MESSAGE}\.json", messages.delete_message),
        ("GET", rf"{MESSAGE}/Media\.json", messages.media),
        ("DELETE", rf"{MESSAGE}/Media/(?P<media>ME\w+)\.json", messages.delete_media),
        ("GET", rf"{ACCOUNT}/IncomingPhoneNumbers\.json", _numbers),
        ("GET", rf"{ACCOUNT}/IncomingPhoneNumbers/{_sid('PN')}\.json", _one("number")),
        ("POST", rf"{ACCOUNT}/IncomingPhoneNumbers/{_sid('PN')}\.json", _update_sms("number")),
        ("GET", rf"{ACCOUNT}/Applications/{_sid('AP')}\.json", _one("application")),
        ("POST", rf"{ACCOUNT}/Applications/{_sid('AP')}\.json", _update_sms("application")),
        ("GET", "/messaging/v1/Services", _services),
        ("GET", f"/messaging/v1/Services/{_sid('MG')}", _one("service")),
        ("POST", f"/messaging/v1/Services/{_sid('MG')}", _update_service),
        ("GET", f"/messaging/v1/Services/{_sid('MG')}/PhoneNumbers", _pool),
        ("GET", "/monitor/v1/Alerts", _alerts),
        ("GET", f"/monitor/v1/Alerts/{_sid('NO')}", _one("alert")),
    )
)
