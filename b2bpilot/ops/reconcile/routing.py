"""Whose are the messages to a number: this environment's, another system's, or nobody can tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum, auto

from b2bpilot.aws.function_settings import function_settings
from b2bpilot.errors import AwsError
from b2bpilot.ops.cutover.route import NumberRoute, RouteLevel, Target, gone, is_same_url, routes
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.pair import other_side
from b2bpilot.twilio.failures import TwilioFailed
from b2bpilot.twilio.rest import Twilio
from b2bpilot.twilio.webhook_setting import WebhookSetting, parts_of

VERIFIED_URLS = ("PUBLIC_WEBHOOK_URL", "API_WEBHOOK_URL", "PREVIOUS_WEBHOOK_URL")
"""The webhook function's variables: the URLs over which it verifies signatures."""


class DeliveredTo(Enum):
    """Where Twilio delivers what is sent to a number."""

    HERE = auto()
    AFTER_ANOTHER = auto()
    """This environment is the fallback of another system: what comes here is what that one did not take."""
    ELSEWHERE = auto()
    NOWHERE = auto()
    """There is no URL: no other system takes it either."""
    UNKNOWN = auto()


class Whose(Enum):
    """Whom a message belongs to, by the number that it was sent to."""

    OURS = auto()
    OTHERS = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """`told` says it in words, without what may be a secret of a URL."""

    place: DeliveredTo
    told: str
    has_other_fallback: bool = False
    """What failed here may have been taken there."""
    changed_at: datetime | None = None
    """What decides about it was changed then; before, it may have delivered elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedUrls:
    """The URLs of this environment's webhook; `doubt` where there may be more of them."""

    urls: tuple[str, ...]
    doubt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """Where each number of the account delivers, as it is set now. `failure`: that could not be read."""

    by_number: Mapping[str, Destination] = field(default_factory=dict)
    urls: tuple[str, ...] = ()
    failure: str | None = None

    def is_webhook(self, url: str) -> bool:
        """Tell whether a request to this URL was one to this environment."""
        return _is_any(url, self.urls)

    def of(self, address: str) -> Destination:
        """Senders of channels such as whatsapp have a setting of their own, which is not read:
        docs/aws-facts.md#channel-senders."""
        if address in self.by_number:
            return self.by_number[address]
        if self.failure:
            return _unknown(f"the numbers' routes could not be read: {self.failure}")
        if ":" in address:
            channel = address.partition(":")[0]
            return _unknown(f"the setting of {channel} senders is not read")
        return _unknown("it is none of the account's phone numbers")


def whose(
    destination: Destination, *, sent_at: datetime, has_alert: bool, newest_row: datetime | None
) -> Whose:
    """Decide about one message. `newest_row` is when the last message to its number came in here, through the webhook.

    Where another system has the number now, only a row that is no older proves that it came here when this one was sent.
    """
    match destination.place:
        case DeliveredTo.HERE:
            return Whose.OURS
        case DeliveredTo.AFTER_ANOTHER if has_alert:
            return Whose.OURS
        case DeliveredTo.AFTER_ANOTHER | DeliveredTo.ELSEWHERE:
            return Whose.OURS if newest_row is not None and newest_row >= sent_at else Whose.OTHERS
        case DeliveredTo.NOWHERE:
            return Whose.OURS if newest_row is not None else Whose.OTHERS
        case _:
            return Whose.OURS if newest_row is not None else Whose.UNKNOWN


def ask_routing(environment: Environment, twilio: Twilio) -> Routing:
    """Read the routes of the account's numbers. What does not answer makes them unknown, it is no error."""
    verified = _urls_of_both(environment)
    try:
        return routing_of(routes(twilio), verified)
    except TwilioFailed as exc:
        return Routing(urls=verified.urls, failure=str(exc))


def routing_of(numbers: Iterable[NumberRoute], verified: VerifiedUrls) -> Routing:
    by_number = {each.number.phone_number: _destination(each, verified) for each in numbers}
    return Routing(by_number=by_number, urls=verified.urls)


def _urls_of_both(environment: Environment) -> VerifiedUrls:
    """What Twilio sends to the other side of a pair comes into the same table."""
    here, answer = verified_urls(environment), other_side(environment)
    if answer is None:
        return here
    if answer.value is None:
        silent = f"{environment.stack.pair_region} does not answer: {answer.error}"
        return replace(here, doubt=f"{here.doubt}; {silent}" if here.doubt else silent)
    there = verified_urls(answer.value)
    return VerifiedUrls(urls=(*here.urls, *there.urls), doubt=here.doubt or there.doubt)


def verified_urls(environment: Environment) -> VerifiedUrls:
    """Return the stack's URL and those that the webhook verifies beside it."""
    stack = environment.stack
    try:
        function = function_settings(environment.access.client("lambda"), stack.webhook_function_name)
    except AwsError as exc:
        return VerifiedUrls(urls=(stack.webhook_url,), doubt=f"the webhook's other URLs were not read: {exc}")
    others = [function.environment.get(name) for name in VERIFIED_URLS] if function else []
    return VerifiedUrls(urls=tuple(dict.fromkeys([stack.webhook_url, *(url for url in others if url)])))


def _destination(route: NumberRoute, verified: VerifiedUrls) -> Destination:
    """Where an application and a service may both decide, it is known only if both lead to the same place."""
    found = [_destination_by(route, target, verified) for target in route.deciders]
    if len({each.place for each in found}) == 1:
        other = any(each.has_other_fallback for each in found)
        changed = [each.changed_at for each in found if each.changed_at is not None]
        return replace(found[0], has_other_fallback=other, changed_at=max(changed, default=None))
    return _unknown(f"which decides is not documented: {'; '.join(each.told for each in found)}")


def _destination_by(route: NumberRoute, target: Target, verified: VerifiedUrls) -> Destination:
    webhook, decider = target.webhook, f"{target.level.value} {target.sid}"
    if route.is_broken:
        may_be_asked_first = any(each.level is RouteLevel.SERVICE for each in route.levels[1:2])
        return Destination(
            place=DeliveredTo.UNKNOWN if may_be_asked_first else DeliveredTo.NOWHERE, told=gone(route)
        )
    if not webhook.url:
        return Destination(place=DeliveredTo.NOWHERE, told=f"{decider} has no URL: Twilio does not deliver")
    told = f"{decider} delivers to {parts_of(webhook.url).hostname or 'another URL'}"
    if _is_any(webhook.url, verified.urls):
        other = bool(webhook.fallback_url) and not _is_any(webhook.fallback_url, verified.urls)
        return Destination(
            place=DeliveredTo.HERE, told=told, has_other_fallback=other, changed_at=target.changed_at
        )
    return _elsewhere(webhook, told, verified)


def _elsewhere(webhook: WebhookSetting, text: str, verified: VerifiedUrls) -> Destination:
    if _is_any(webhook.fallback_url, verified.urls):
        return Destination(
            place=DeliveredTo.AFTER_ANOTHER, told=f"{text}, and only what fails there comes here"
        )
    if _is_near(webhook.url, verified.urls):
        return _unknown(f"{text}, as this environment's webhook is, but to another path")
    if verified.doubt:
        return _unknown(f"{text}, and {verified.doubt}")
    return Destination(place=DeliveredTo.ELSEWHERE, told=text)


def _unknown(text: str) -> Destination:
    return Destination(place=DeliveredTo.UNKNOWN, told=text)


def _is_any(url: str, ours: Iterable[str]) -> bool:
    return bool(url) and any(is_same_url(_spelled(url), _spelled(each)) for each in ours)


def _is_near(url: str, ours: Iterable[str]) -> bool:
    """A misspelled path loses messages of ours; another system may live there as well."""
    return parts_of(url).hostname in {parts_of(each).hostname for each in ours}


def _spelled(url: str) -> str:
    """Twilio may write the host and the default port otherwise."""
    parts = parts_of(url)
    host = (parts.hostname or "").lower()
    is_default = parts.port in (None, {"https": 443, "http": 80}.get(parts.scheme))
    return parts._replace(netloc=host if is_default else f"{host}:{parts.port}").geturl()


AskRouting = Callable[[], Routing]
