"""The endpoints: which resource a request means, and what Twilio answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from b2bpilot.local.twilio import resources
from b2bpilot.local.twilio.book import Book, Filter, Resource
from b2bpilot.local.twilio.pages import Listing, new_page, old_page
from b2bpilot.local.twilio.sending import send

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


class Refusal(Exception):
    """An error that Twilio answers with: HTTP status, code of its own, text."""

    def __init__(self, status: int, code: int, text: str) -> None:
        super().__init__(text)
        self.status, self.code = status, code

    def document(self) -> Resource:
        return {
            "code": self.code,
            "message": str(self),
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`path` begins with the product: /api/2010-04-01/..., /messaging/v1/..., /monitor/v1/..."""

    method: str
    path: str
    query: Mapping[str, str]
    form: Mapping[str, str] = field(repr=False)
    credentials: tuple[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The one account that the double has."""

    sid: str
    auth_token: str = field(repr=False)
    status: str = "active"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request on its endpoint: `sids` are those in its path."""

    book: Book
    account: Account
    request: Request
    sids: Mapping[str, str]
    now: datetime


def answer(book: Book, account: Account, request: Request, *, now: datetime) -> tuple[int, Resource]:
    """Return status and document. Raises Refusal."""
    if request.credentials != (account.sid, account.auth_token):
        raise Refusal(401, 20003, "Authenticate")
    for method, pattern, endpoint in ENDPOINTS:
        match = pattern.fullmatch(request.path)
        if method == request.method and match:
            sids = match.groupdict()
            if sids.get("account", account.sid) != account.sid:
                raise Refusal(401, 20003, "Authenticate")
            if account.status != "active" and endpoint is not _account:
                raise Refusal(403, 20005, "Account not active")
            return endpoint(Call(book=book, account=account, request=request, sids=sids, now=now))
    raise _missing(request)


def _account(call: Call) -> tuple[int, Resource]:
    return HTTPStatus.OK, resources.account(call.account.sid, call.account.status)


def _messages(call: Call) -> tuple[int, Resource]:
    """DateSent counts in whole GMT days, both ends included, whatever time of day it names (facts D6)."""
    query = call.request.query
    equal = {column: query[name] for name, column in (("To", "to_"), ("From", "from_")) if query.get(name)}
    since, until = _day(query.get("DateSent>")), _day(query.get("DateSent<"))
    if exact := _day(query.get("DateSent")):
        since = until = exact
    wanted = Filter(
        kind="message",
        equal=equal,
        since=since.timestamp() if since else None,
        until=(until + timedelta(days=1)).timestamp() if until else None,
    )
    return HTTPStatus.OK, old_page(call.book, _listing(call, "messages", wanted))


def _create_message(call: Call) -> tuple[int, Resource]:
    entry, refusal = send(call.book, call.account.sid, call.request.form, now=call.now)
    if entry is None:
        raise Refusal(HTTPStatus.BAD_REQUEST, *refusal)
    call.book.put([entry])
    return HTTPStatus.CREATED, {**entry.document, "status": "queued", "date_sent": None}


def _media(call: Call) -> tuple[int, Resource]:
    wanted = Filter(kind="media", equal={"parent": call.sids["sid"]})
    return HTTPStatus.OK, old_page(call.book, _listing(call, "media_list", wanted))


def _numbers(call: Call) -> tuple[int, Resource]:
    phone_number = call.request.query.get("PhoneNumber")
    wanted = Filter(kind="number", equal={"to_": phone_number} if phone_number else {})
    return HTTPStatus.OK, old_page(call.book, _listing(call, "incoming_phone_numbers", wanted))


def _services(call: Call) -> tuple[int, Resource]:
    return HTTPStatus.OK, new_page(
        call.book, _listing(call, "services", Filter(kind="service")), product="messaging"
    )


def _pool(call: Call) -> tuple[int, Resource]:
    if call.book.get("service", call.sids["sid"]) is None:
        raise _missing(call.request)
    wanted = Filter(kind="pool", equal={"parent": call.sids["sid"]})
    return HTTPStatus.OK, new_page(call.book, _listing(call, "phone_numbers", wanted), product="messaging")


def _update_service(call: Call) -> tuple[int, Resource]:
    form = call.request.form
    changes: Resource = {field: form[name] or None for name, field in SERVICE_FIELDS.items() if name in form}
    if ON_NUMBER in form:
        changes["use_inbound_webhook_on_number"] = form[ON_NUMBER].lower() == "true"
    return _changed(call, "service", changes)


def _alerts(call: Call) -> tuple[int, Resource]:
    query = call.request.query
    since = max(_moment(query.get("StartDate")), call.now - timedelta(days=ALERT_DAYS))
    until = _moment(query["EndDate"]) + timedelta(seconds=1) if query.get("EndDate") else None
    level = query.get("LogLevel")
    wanted = Filter(
        kind="alert",
        equal={"level": level} if level else {},
        since=since.timestamp(),
        until=until.timestamp() if until else None,
    )
    page = new_page(call.book, _listing(call, "alerts", wanted), product="monitor")
    for alert in page["alerts"]:
        for detail in resources.ALERT_DETAILS:
            alert.pop(detail, None)
    return HTTPStatus.OK, page


def _one(kind: str) -> Callable[[Call], tuple[int, Resource]]:
    def fetch(call: Call) -> tuple[int, Resource]:
        found = call.book.get(kind, call.sids["sid"])
        if found is None:
            raise _missing(call.request)
        return HTTPStatus.OK, found

    return fetch


def _update_sms(kind: str) -> Callable[[Call], tuple[int, Resource]]:
    def update(call: Call) -> tuple[int, Resource]:
        form = call.request.form
        return _changed(call, kind, {field: form[name] for name, field in SMS_FIELDS.items() if name in form})

    return update


def _changed(call: Call, kind: str, changes: Resource) -> tuple[int, Resource]:
    written = resources.iso8601 if kind == "service" else resources.rfc2822
    changes["date_updated"] = written(call.now)
    found = call.book.change(kind, call.sids["sid"], changes)
    if found is None:
        raise _missing(call.request)
    return HTTPStatus.OK, found


def _listing(call: Call, key: str, wanted: Filter) -> Listing:
    path = "/" + call.request.path.split("/", 2)[2]
    return Listing(path=path, key=key, query=call.request.query, wanted=wanted)


def _missing(request: Request) -> Refusal:
    path = "/" + request.path.split("/", 2)[-1]
    return Refusal(404, 20404, f"The requested resource {path} was not found")


def _day(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text[:10]).replace(tzinfo=UTC) if text else None


def _moment(text: str | None) -> datetime:
    if not text:
        return datetime.fromtimestamp(0, UTC)
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _sid(prefix: str) -> str:
    return f"(?P<sid>{prefix}[0-9a-f]{{32}})"


ENDPOINTS = tuple(
    (method, re.compile(pattern), endpoint)
    for method, pattern, endpoint in (
        ("GET", rf"{ACCOUNT}\.json", _account),
        ("GET", rf"{ACCOUNT}/Messages\.json", _messages),
        ("POST", rf"{ACCOUNT}/Messages\.json", _create_message),
        ("GET", rf"{ACCOUNT}/Messages/{_sid('(?:SM|MM)')}\.json", _one("message")),
        ("GET", rf"{ACCOUNT}/Messages/{_sid('(?:SM|MM)')}/Media\.json", _media),
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
