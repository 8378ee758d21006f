"""A message comes in: Twilio keeps it, calls the webhook that decides, again and then the fallback, and notes failures.
What becomes of a message that was sent is reported to a status callback."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urldefrag, urlencode

from b2bpilot.local.twilio import resources
from b2bpilot.local.twilio.calling import Answered, Webhook, call
from b2bpilot.local.twilio.redacting import redacted
from b2bpilot.local.twilio.store import Resource, ResourceFilter, ResourceStore
from b2bpilot.pipeline.several_values import pairs_of

OTHERS_NUMBERS = ("From", "WaId")
NOWHERE = Webhook(url="")


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberDestination:
    """Where a number's messages go. `is_kept`: a service without a URL makes Twilio forget them
    (docs/aws-facts.md#effective-url)."""

    webhook: Webhook = NOWHERE
    fallback: Webhook = NOWHERE
    is_kept: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubleDelivery:
    """Delivers messages to one account's numbers. `redacts`: nothing is kept of texts, nor of the others' numbers.

    `service_first`: nobody could check which of an application and a Messaging Service decides where both are set.
    """

    store: ResourceStore
    account_sid: str
    auth_token: str = field(repr=False)
    redacts: bool = False
    service_first: bool = False

    def receive(
        self, params: Mapping[str, str], *, at: datetime, deliver: bool, is_receiving: bool = False
    ) -> bool:
        """Keep the message, unless its service has no URL (docs/aws-facts.md#effective-url), and deliver it. Returns
        whether it was taken.

        While the webhook is called, and with `is_receiving` also afterwards, its status is `receiving`.
        """
        destination = self._destination(params.get("To", ""))
        if not destination.is_kept:
            return False
        shown = self._shown(params)
        kept = resources.message(self.account_sid, shown, direction="inbound", at=at, status="received")
        received = {name: kept.document[name] for name in ("date_sent", "status")}
        kept.document.update({"date_sent": None, "status": "receiving"})
        self.store.put([kept, *self._media(params, at)])
        try:
            return deliver and self._delivered(destination, params, at=at)
        finally:
            if not is_receiving:
                self.store.change("message", kept.sid, received)

    def _delivered(self, destination: NumberDestination, params: Mapping[str, str], *, at: datetime) -> bool:
        if not destination.webhook.url:
            return False
        failed = self._call(destination.webhook, params, at=at)
        if failed is None:
            return True
        if not destination.fallback.url:
            return False
        more = {"ErrorCode": str(failed.error_code), "ErrorUrl": urldefrag(destination.webhook.url).url}
        return self._call(destination.fallback, {**params, **more}, at=at) is None

    def report(self, message_sid: str, state: str, url: str, *, at: datetime) -> bool:
        """Call the status callback of a message that was sent. Returns whether it was taken."""
        message = self.store.change("message", message_sid, {"status": state})
        if message is None:
            return False
        return self._call(Webhook(url=url, wants_twiml=False), _callback(message, state), at=at) is None

    def _shown(self, params: Mapping[str, str]) -> Mapping[str, str]:
        """Return what the API and the debugger show of a webhook's parameters."""
        return redacted(params, OTHERS_NUMBERS) if self.redacts else params

    def _call(self, webhook: Webhook, params: Mapping[str, str], *, at: datetime) -> Answered | None:
        """Return None when it was taken, else the failure, with an Alert of it."""
        answered = call(webhook, params, auth_token=self.auth_token)
        if answered.failure is None:
            return None
        alert = _alert(webhook, self._shown(params), answered)
        self.store.put([resources.alert(self.account_sid, alert, at=at)])
        return answered

    def _destination(self, to: str) -> NumberDestination:
        """A number's application, its service unless that uses the numbers' own, or the number itself
        (docs/aws-facts.md#effective-url)."""
        found = self.store.all(ResourceFilter(kind="number", equal={"to_": to.rpartition(":")[2]}))
        if not found:
            return NumberDestination()
        number = found[0]
        application, service = self._of_application(number), self._of_service(number)
        first, second = (service, application) if self.service_first else (application, service)
        return first or second or _of_sms(number)

    def _of_application(self, number: Resource) -> NumberDestination | None:
        """An application that does not exist makes Twilio ignore the number's URLs all the same."""
        sid = number["sms_application_sid"]
        return _of_sms(self.store.get("application", sid) or {}) if sid else None

    def _of_service(self, number: Resource) -> NumberDestination | None:
        member = self.store.get("pool", number["sid"])
        service = self.store.get("service", member["service_sid"]) if member else None
        if service is None or service["use_inbound_webhook_on_number"]:
            return None
        return NumberDestination(
            webhook=_webhook(service["inbound_request_url"], service["inbound_method"]),
            fallback=_webhook(service["fallback_url"], service["fallback_method"]),
            is_kept=bool(service["inbound_request_url"]),
        )

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


def _webhook(url: str | None, method: str | None) -> Webhook:
    return Webhook(url=url or "", method=method or "POST")


def _of_sms(settings: Resource) -> NumberDestination:
    return NumberDestination(
        webhook=_webhook(settings.get("sms_url"), settings.get("sms_method")),
        fallback=_webhook(settings.get("sms_fallback_url"), settings.get("sms_fallback_method")),
    )


def _alert(webhook: Webhook, params: Mapping[str, str], answered: Answered) -> dict[str, Any]:
    return {
        "alert_text": urlencode({"ErrorCode": answered.error_code, "httpResponse": answered.status}),
        "error_code": str(answered.error_code),
        "request_method": webhook.method,
        "request_url": urldefrag(webhook.url).url,
        "request_variables": urlencode(list(pairs_of(params))),
        "resource_sid": params["MessageSid"],
        "response_body": answered.body,
    }
