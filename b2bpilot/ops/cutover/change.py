"""What a cut-over changes: what decides for the chosen numbers, each thing once."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from urllib.parse import urlsplit

from b2bpilot.advice import our_command
from b2bpilot.errors import NotFound, PartlyFailed, Refused, UsageError
from b2bpilot.ops.cutover.route import NumberRoute, RouteLevel, Target, gone, in_words
from b2bpilot.plural import many
from b2bpilot.twilio.overrides import faults_of
from b2bpilot.twilio.rest import LOOPBACK
from b2bpilot.twilio.webhook_setting import RECOMMENDED_OVERRIDES, WebhookSetting


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing at Twilio, as it is and as it shall be. `is_contested`: an earlier write to it may still be made."""

    level: RouteLevel
    sid: str
    before: WebhookSetting
    after: WebhookSetting
    is_contested: bool = False

    @property
    def is_needed(self) -> bool:
        return self.before != self.after

    @property
    def reversed(self) -> Change:
        return replace(self, before=self.after, after=self.before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The numbers that were asked for, what decides for them, and all numbers that it decides for.

    `name` is what a person types to confirm: the number, or what more numbers than the named one follow.
    """

    targets: Sequence[Target]
    affected: Sequence[NumberRoute]
    name: str


def choose(routes: Sequence[NumberRoute], *, number: str | None, service: str | None) -> Chosen:
    """Return what to change for a number or a service; without either, the one that the account has.

    Raises UsageError, NotFound, or Refused where nothing would be delivered whatever is written.
    """
    chosen = _chosen(routes, number=number, service=service)
    _require_deliverable(chosen.affected)
    return chosen


def _chosen(routes: Sequence[NumberRoute], *, number: str | None, service: str | None) -> Chosen:
    if number and service:
        raise UsageError("--number and --service cannot be used together")
    if service:
        return _of_service(routes, service)
    if number:
        found = [route for route in routes if route.number.phone_number == number]
        if not found:
            raise NotFound(
                "the Twilio account has no such number",
                hint="see " + our_command("twilio", "route", "--reveal"),
            )
        return _of_number(routes, found[0])
    if not routes:
        raise NotFound(
            "the Twilio account has no phone numbers",
            hint="WhatsApp senders and short codes are switched in Twilio's console",
        )
    if len(_of_number(routes, routes[0]).affected) != len(routes):
        raise UsageError(
            f"the Twilio account has {len(routes)} numbers: name one with --number, or a service with --service",
            hint="see " + our_command("twilio", "route"),
        )
    return _of_number(routes, routes[0])


def _require_deliverable(affected: Sequence[NumberRoute]) -> None:
    """Twilio ignores all other URLs of a number that has an application, also when that does not exist
    (docs/aws-facts.md#effective-url)."""
    broken = [route for route in affected if route.is_broken]
    if broken:
        told = "; ".join(f"{each.number.sid}'s {gone(each)}" for each in broken)
        raise Refused(
            told,
            hint="remove it from the number: in Twilio's console, or POST an empty SmsApplicationSid to "
            f"IncomingPhoneNumbers/{broken[0].number.sid}.json",
        )


def changes(chosen: Chosen, *, url: str, fallback_url: str | None) -> list[Change]:
    """Return what must be written so that messages go to `url`. The fallback stays unless one is named.

    Raises Refused where an application and a service may both decide, and would be left with different fallbacks.
    """
    if fallback_url is None:
        _require_one_fallback(chosen.affected)
    return [_change(target, url, fallback_url) for target in chosen.targets]


def astray(routes: Sequence[NumberRoute], url: str) -> list[NumberRoute]:
    """Return the routes that something else decides than what was written."""
    return [
        route
        for route in routes
        if route.is_broken or any(target.webhook.url != url for target in route.deciders)
    ]


def _require_one_fallback(affected: Sequence[NumberRoute]) -> None:
    for route in affected:
        fallbacks = {
            (target.webhook.fallback_url, target.webhook.fallback_method) for target in route.deciders
        }
        if len(fallbacks) > 1:
            raise Refused(
                f"{in_words(route)} may both decide for {route.number.sid}, and have different fallback URLs",
                hint="choose one for both with --fallback",
            )


def require_delivery(routes: Sequence[NumberRoute], url: str, run_id: str) -> None:
    """Raises PartlyFailed when something else decides than what was written."""
    wrong = astray(routes, url)
    if wrong:
        names = ", ".join(route.number.sid for route in wrong)
        raise PartlyFailed(
            f"it is written, but as Twilio shows it {len(wrong):,} of {many(len(routes), 'number')} {'does' if len(wrong) == 1 else 'do'} not deliver to the new URL: {names}",
            hint="see "
            + our_command("twilio", "route")
            + "; back to what was: "
            + our_command("twilio", "rollback", run_id),
        )


def check_url(url: str, option: str) -> str:
    """Return the URL. Raises UsageError for one that Twilio could not or should not call."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as exc:
        raise UsageError(f"{option}: {url!r} is not a URL") from exc
    if parts.scheme not in ("http", "https") or not host:
        known = {"--to": "`stack`, for the environment's own", "--fallback": "`pair`, for the other region's"}
        raise UsageError(
            f"{option}: {url!r} is not an http(s) URL",
            hint=f"or {known[option]}" if option in known else None,
        )
    if parts.scheme == "http" and host not in LOOPBACK:
        raise UsageError(f"{option}: messages would travel unencrypted", hint="use https")
    if faults := faults_of(url):
        raise UsageError(
            f"{option}: invalid # overrides, error 11243 at Twilio: {'; '.join(faults)}",
            hint=f"put connection overrides after the URL, or nothing, for example #{RECOMMENDED_OVERRIDES}",
        )
    return url


def saved(setting: WebhookSetting) -> str:
    """Return a setting for a journal. Encoded: a journal masks what looks like a number, and a URL must stay as it is."""
    return base64.b64encode(json.dumps(asdict(setting)).encode()).decode()


def restored(text: str) -> WebhookSetting:
    return WebhookSetting(**json.loads(base64.b64decode(text)))


def _of_number(routes: Sequence[NumberRoute], route: NumberRoute) -> Chosen:
    chosen = _with_all_that_follow(routes, [route], name=route.number.phone_number)
    return chosen if len(chosen.affected) == 1 else replace(chosen, name=chosen.targets[0].sid)


def _of_service(routes: Sequence[NumberRoute], sid: str) -> Chosen:
    members = [route for route in routes if route.service is not None and route.service.sid == sid]
    if not members:
        raise NotFound(f"no number of the account is in Messaging Service {sid}")
    return _with_all_that_follow(routes, members, name=sid)


def _with_all_that_follow(
    routes: Sequence[NumberRoute], asked: Sequence[NumberRoute], *, name: str
) -> Chosen:
    """Where two may decide both are written, and for each number that one of them decides for its other one, too."""
    targets: dict[str, Target] = {}
    affected = list(asked)
    while True:
        targets |= {target.sid: target for route in affected for target in route.deciders}
        found = [route for route in routes if any(target.sid in targets for target in route.deciders)]
        if len(found) == len(affected):
            return Chosen(targets=list(targets.values()), affected=found, name=name)
        affected = found


def _change(target: Target, url: str, fallback_url: str | None) -> Change:
    after = replace(target.webhook, url=url, method="POST")
    if fallback_url is not None:
        after = replace(after, fallback_url=fallback_url, fallback_method="POST")
    return Change(level=target.level, sid=target.sid, before=target.webhook, after=after)
