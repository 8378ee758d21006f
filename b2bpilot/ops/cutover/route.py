"""Which URL really receives the messages of a number: application, Messaging Service or the number itself
(docs/aws-facts.md#effective-url)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from b2bpilot.twilio.failures import TwilioNotFound
from b2bpilot.twilio.numbers import Application, Number, application, numbers
from b2bpilot.twilio.overrides import faults_of, retries_server_errors, retries_timeouts
from b2bpilot.twilio.rest import Twilio
from b2bpilot.twilio.services import Service, number_sids, services
from b2bpilot.twilio.webhook_setting import RECOMMENDED_OVERRIDES, WebhookSetting, parts_of

DEFAULT_PORTS = {"https": 443, "http": 80}
NOWHERE = WebhookSetting(url="")
ELSEWHERE = "its messages go elsewhere, not to this environment's webhook"


class RouteLevel(StrEnum):
    """Who may decide where messages go."""

    APPLICATION = "application"
    SERVICE = "messaging service"
    NUMBER = "number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What Twilio reads when a message comes in: the thing to change."""

    level: RouteLevel
    sid: str
    webhook: WebhookSetting
    changed_at: datetime | None = None
    """When anything about it was changed last; Twilio does not say what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberRoute:
    """One number with everything that may decide for it. `is_broken`: its application does not exist any more, and Twilio
    ignores the number's own URL all the same.

    Twilio documents that an application makes it ignore the number's URL, and that a Messaging Service calls its own for each number of
    its pool: not which of the two it asks where a number has both (docs/aws-facts.md#effective-url).
    """

    number: Number
    application: Application | None = None
    service: Service | None = None

    @property
    def is_broken(self) -> bool:
        return bool(self.number.application_sid) and self.application is None

    @property
    def levels(self) -> tuple[Target, ...]:
        """All that are there, in the order in which Twilio looks."""
        found = [
            Target(
                level=RouteLevel.NUMBER,
                sid=self.number.sid,
                webhook=self.number.webhook,
                changed_at=self.number.changed_at,
            )
        ]
        if self.service is not None:
            service = Target(
                level=RouteLevel.SERVICE,
                sid=self.service.sid,
                webhook=self.service.webhook,
                changed_at=self.service.changed_at,
            )
            found.insert(1 if self.service.uses_number_webhook else 0, service)
        if self.number.application_sid:
            webhook = self.application.webhook if self.application else NOWHERE
            sid = self.number.application_sid
            changed_at = self.application.changed_at if self.application else None
            found.insert(
                0, Target(level=RouteLevel.APPLICATION, sid=sid, webhook=webhook, changed_at=changed_at)
            )
        return tuple(found)

    @property
    def deciders(self) -> tuple[Target, ...]:
        """The one that decides; the application and the service where both may."""
        first, *others = self.levels
        both = (
            not self.is_broken
            and first.level is RouteLevel.APPLICATION
            and others[0].level is RouteLevel.SERVICE
        )
        return (first, others[0]) if both else (first,)

    @property
    def is_unclear(self) -> bool:
        """Tell whether it depends on who of two decides."""
        return len({target.webhook for target in self.deciders}) > 1

    @property
    def effective(self) -> Target:
        """The one that decides, where that is clear, or does not matter."""
        return self.deciders[0]


def routes(twilio: Twilio, *, phone_number: str | None = None) -> list[NumberRoute]:
    """Return the routes of the account's numbers, all or one. Reads only. Raises TwilioFailed."""
    found = list(numbers(twilio, phone_number=phone_number))
    pools = _services_by_number(twilio) if found else {}
    applications: dict[str, Application | None] = {}
    for each in found:
        if each.application_sid and each.application_sid not in applications:
            applications[each.application_sid] = _application(twilio, each.application_sid)
    return [
        NumberRoute(
            number=each,
            application=applications.get(each.application_sid or ""),
            service=pools.get(each.sid),
        )
        for each in found
    ]


def dangers(
    route: NumberRoute, *, expected_urls: Collection[str] = (), elsewhere: str = ELSEWHERE
) -> Iterator[str]:
    """Name what is unsafe about a route: what loses messages first. `expected_urls` are where they should go, `elsewhere` says
    that they do not."""
    if route.is_broken:
        yield f"its {gone(route)}"
        return
    if not route.is_unclear:
        yield from _dangers(route.effective, expected_urls, elsewhere)
        return
    names = in_words(route)
    yield f"unclear: {names} are both set, not alike, and Twilio does not document which of them it asks"
    for target in route.deciders:
        for danger in _dangers(target, expected_urls, elsewhere):
            yield f"if {target.level.value} {target.sid} decides: {danger}"


def in_words(route: NumberRoute) -> str:
    """Name who decides, or who may."""
    return " and ".join(f"{target.level.value} {target.sid}" for target in route.deciders)


def gone(route: NumberRoute) -> str:
    """Say of a broken route what Twilio does. Of a service that it may ask first its documents do not tell."""
    told = f"application {route.number.application_sid} does not exist: Twilio cannot deliver"
    second = route.levels[1]
    if second.level is not RouteLevel.SERVICE:
        return told
    return f"{told}, unless it asks {second.level.value} {second.sid} first, which is not documented"


def _dangers(target: Target, expected_urls: Collection[str], elsewhere: str) -> Iterator[str]:
    webhook = target.webhook
    if not webhook.url:
        lost = target.level is RouteLevel.SERVICE
        yield (
            "no URL: Twilio does not even log messages to it"
            if lost
            else "no URL: messages are not delivered"
        )
        return
    if expected_urls and not any(is_same_url(webhook.url, each) for each in expected_urls):
        yield elsewhere
    if parts_of(webhook.url).scheme != "https":
        yield "the URL is not https"
    if webhook.method != "POST":
        yield f"Twilio calls it with {webhook.method}; the webhook takes POST only"
    yield from _dangers_of_overrides(webhook)
    if not webhook.fallback_url:
        yield "no fallback URL: what the URL does not take is lost"
    elif is_same_url(webhook.url, webhook.fallback_url):
        yield "the fallback URL is the URL itself"


def _dangers_of_overrides(webhook: WebhookSetting) -> Iterator[str]:
    for name, url in (("URL", webhook.url), ("fallback URL", webhook.fallback_url)):
        if faults := faults_of(url):
            yield f"the {name} has invalid # overrides, error 11243 at Twilio: {'; '.join(faults)}"
    if faults_of(webhook.url):
        return
    if not retries_server_errors(webhook.url):
        yield f"a 5xx answer is not tried again: add #{RECOMMENDED_OVERRIDES} to the URL"
    elif not retries_timeouts(webhook.url):
        yield f"an answer that does not come in time is not tried again: add #{RECOMMENDED_OVERRIDES} to the URL"


def is_same_url(one: str, other: str) -> bool:
    """Compare as signatures are verified: without the overrides in the fragment, with a default port or without it."""
    return _as_signed(one) == _as_signed(other)


def _as_signed(url: str) -> str:
    bare = url.partition("#")[0]
    parts = parts_of(bare)
    is_default = parts.port is not None and parts.port == DEFAULT_PORTS.get(parts.scheme)
    return parts._replace(netloc=parts.netloc.rpartition(":")[0]).geturl() if is_default else bare


def _services_by_number(twilio: Twilio) -> dict[str, Service]:
    return {
        number_sid: service
        for service in list(services(twilio))
        for number_sid in number_sids(twilio, service.sid)
    }


def _application(twilio: Twilio, sid: str) -> Application | None:
    try:
        return application(twilio, sid)
    except TwilioNotFound:
        return None
