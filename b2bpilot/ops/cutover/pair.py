"""Which side of a pair Twilio calls first for a number, and which one when that fails. It stands at Twilio, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from b2bpilot.ops.cutover.route import NumberRoute, gone, in_words, is_same_url
from b2bpilot.twilio.webhook_setting import WebhookSetting

SideUrls = Mapping[str, Sequence[str]]
"""By region, the URLs over which a side's webhook takes messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberRoles:
    """By region, the sides of a number: `primary` None is neither of both, as is `fallback`. `problem` says in a phrase why a
    message to it can be lost when one side fails."""

    route: NumberRoute
    primary: str | None = None
    fallback: str | None = None
    problem: str | None = None

    @property
    def is_ours(self) -> bool:
        """Whether either side gets its messages at all."""
        return self.primary is not None or self.fallback is not None


def roles(routes: Sequence[NumberRoute], urls: SideUrls) -> list[NumberRoles]:
    """Return them in the order of the routes."""
    return [_of(route, urls) for route in routes]


def _of(route: NumberRoute, urls: SideUrls) -> NumberRoles:
    if route.is_broken:
        return NumberRoles(route=route, problem=gone(route))
    sides = [_sides(each.webhook, urls) for each in route.deciders]
    primary, fallback = sides[0]
    if len(set(sides)) > 1:
        told = f"{in_words(route)} are both set, not alike, and Twilio does not document which it asks"
        return NumberRoles(route=route, primary=primary, fallback=fallback, problem=told)
    problems = [each for target in route.deciders for each in _problems(target.webhook, primary, fallback)]
    is_ours = primary is not None or fallback is not None
    problem = problems[0] if problems and is_ours else None
    return NumberRoles(route=route, primary=primary, fallback=fallback, problem=problem)


def _sides(webhook: WebhookSetting, urls: SideUrls) -> tuple[str | None, str | None]:
    return _side_of(webhook.url, urls), _side_of(webhook.fallback_url, urls)


def _side_of(url: str, urls: SideUrls) -> str | None:
    return next((region for region, ours in urls.items() if any(is_same_url(url, one) for one in ours)), None)


def _problems(webhook: WebhookSetting, primary: str | None, fallback: str | None) -> Iterator[str]:
    if primary is None:
        yield "only its fallback URL is a side's: its first is another system's"
    elif not webhook.fallback_url:
        yield "no fallback URL"
    elif fallback == primary:
        yield f"its fallback URL is {primary}'s, as its first is"
    elif fallback is None:
        yield "its fallback URL is another system's, not the other side's"
    elif webhook.fallback_method != "POST":
        yield f"Twilio calls its fallback URL with {webhook.fallback_method}"
