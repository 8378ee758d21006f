"""A message comes in: Twilio keeps it, calls the webhook that decides, again and then the fallback, and notes failures.
What becomes of a message that was sent is reported to a status callback."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urldefrag, urlencode, urlsplit

from b2bpilot.local.twilio import resources
from b2bpilot.local.twilio.book import Book, Filter, Resource
from b2bpilot.pipeline.several_values import pairs_of
from b2bpilot.twilio.signature import SIGNATURE_HEADER, signature_for

HTTP_FAILED, NO_CONNECTION = 11200, 11205
OTHERS_NUMBERS = ("From", "WaId")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What calling a webhook led to. `status` 0 is no connection."""

    status: int
    body: str = field(default="", repr=False)

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004  # HTTP's successes

    @property
    def error_code(self) -> int:
        return HTTP_FAILED if self.status else NO_CONNECTION


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Delivers messages to one account's numbers. `redacts`: nothing is kept of texts, nor of the others' numbers."""

    book: Book
    account_sid: str
    auth_token: str = field(repr=False)
    redacts: bool = False

    def receive(self, params: Mapping[str, str], *, at: datetime, deliver: bool) -> bool:
        """Keep the message, unless its service has no URL (facts D5), and deliver it. Returns whether it was taken."""
        url, fallback_url, is_kept = self._urls(params.get("To", ""))
        if not is_kept:
            return False
        shown = self._shown(params)
        kept = resources.message(self.account_sid, shown, direction="inbound", at=at, status="received")
        self.book.put([kept, *self._media(params, at)])
        if not deliver or not url:
            return False
        failed = self._call(url, params, at=at)
        if failed is None:
            return True
        if not fallback_url:
            return False
        more = {"ErrorCode": str(failed.error_code), "ErrorUrl": urldefrag(url).url}
        return self._call(fallback_url, {**params, **more}, at=at) is None

    def report(self, message_sid: str, state: str, url: str, *, at: datetime) -> bool:
        """Call the status callback of a message that was sent. Returns whether it was taken."""
        message = self.book.change("message", message_sid, {"status": state})
        if message is None:
            return False
        return self._call(url, _callback(message, state), at=at) is None

    def _shown(self, params: Mapping[str, str]) -> Mapping[str, str]:
        """Return what the API and the debugger show of a webhook's parameters."""
        if not self.redacts:
            return params
        masked = {name: f"{params[name][:-4]}XXXX" for name in OTHERS_NUMBERS if params.get(name)}
        return {**params, "Body": "", **masked}

    def _call(self, url: str, params: Mapping[str, str], *, at: datetime) -> Answered | None:
        """Return None when it was taken, else the last failure, with an Alert of it."""
        for _ in range(1 + _retries(url)):
            answered = self._post(url, params)
            if answered.is_good:
                return None
            if not _is_retried(url, answered):
                break
        self.book.put([resources.alert(self.account_sid, _alert(url, self._shown(params), answered), at=at)])
        return answered

    def _post(self, url: str, params: Mapping[str, str]) -> Answered:
        bare = urldefrag(url).url
        parts = urlsplit(bare)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=15)
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            SIGNATURE_HEADER: signature_for(self.auth_token, bare, params),
        }
        try:
            path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
            connection.request("POST", path, urlencode(list(pairs_of(params))), headers)
            response = connection.getresponse()
            return Answered(status=response.status, body=response.read().decode("utf-8", "replace"))
        except (OSError, http.client.HTTPException):
            return Answered(status=0)
        finally:
            connection.close()

    def _urls(self, to: str) -> tuple[str, str, bool]:
        """Return URL, fallback URL and whether the message is kept at all: application, service, number (facts D5)."""
        found = self.book.all(Filter(kind="number", equal={"to_": to.rpartition(":")[2]}))
        if not found:
            return "", "", True
        number = found[0]
        application = self.book.get("application", number["sms_application_sid"] or "")
        if application is not None:
            return application["sms_url"], application["sms_fallback_url"], True
        service = self._service(number["sid"])
        if service is not None and not service["use_inbound_webhook_on_number"]:
            url = service["inbound_request_url"] or ""
            return url, service["fallback_url"] or "", bool(url)
        return number["sms_url"], number["sms_fallback_url"], True

    def _service(self, number_sid: str) -> Resource | None:
        member = self.book.get("pool", number_sid)
        return self.book.get("service", member["service_sid"]) if member else None

    def _media(self, params: Mapping[str, str], at: datetime) -> list[Any]:
        """In the reverse order: lists show the newest first, and MediaUrl0 is to be the first there."""
        count = int(params["NumMedia"]) if params.get("NumMedia", "").isdigit() else 0
        return [
            resources.media(
                self.account_sid,
                params["MessageSid"],
                params.get(f"MediaUrl{place}", "").rpartition("/")[2] or resources.new_sid("ME"),
                params.get(f"MediaContentType{place}", "application/octet-stream"),
                at=at,
            )
            for place in reversed(range(count))
        ]


def _callback(message: Resource, state: str) -> dict[str, str]:
    """Without a text: a report is about a message, not one itself."""
    names = {"MessageSid": "sid", "SmsSid": "sid", "AccountSid": "account_sid", "ApiVersion": "api_version"}
    said = {name: str(message[field]) for name, field in {**names, "From": "from", "To": "to"}.items()}
    return {**said, "MessageStatus": state, "SmsStatus": state}


def _alert(url: str, params: Mapping[str, str], answered: Answered) -> dict[str, Any]:
    return {
        "alert_text": urlencode({"ErrorCode": answered.error_code, "httpResponse": answered.status}),
        "error_code": str(answered.error_code),
        "request_url": urldefrag(url).url,
        "request_variables": urlencode(list(pairs_of(params))),
        "resource_sid": params["MessageSid"],
        "response_body": answered.body,
    }


def _overrides(url: str) -> dict[str, str]:
    return dict(parse_qsl(urldefrag(url).fragment))


def _retries(url: str) -> int:
    count = _overrides(url).get("rc", "1")
    return int(count) if count.isdigit() else 1


def _is_retried(url: str, answered: Answered) -> bool:
    policy = set(_overrides(url).get("rp", "ct").split(","))
    kind = f"{answered.status // 100}xx" if answered.status else "ct"
    return bool(policy & {kind, "all"})
