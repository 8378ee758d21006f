"""Checks of the category `twilio`: it accepts our token, and its messages really come here, also on a bad day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from b2bpilot.errors import SettingsInvalid
from b2bpilot.ops.verify import functions
from b2bpilot.ops.verify.check import Answer, Category, Check, Probe, Severity, fails, holds, unanswered
from b2bpilot.ops.verify.webhook import other_urls
from b2bpilot.ops.verify.world import World
from b2bpilot.plural import many

if TYPE_CHECKING:
    from b2bpilot.ops.cutover.route import Route
    from b2bpilot.twilio.rest import Account, Twilio
    from b2bpilot.twilio.webhook_setting import WebhookSetting

CUTOVER = "b2bpilot twilio cutover -e {{environment}} --to stack --service {sid}"
RECOMMENDED = "rc=3&rp=5xx,ct,rt&ct=2000&rt=4000"
ADVICE = "`b2bpilot twilio cutover --to stack` sets it"
SECRET = ("secretsmanager:GetSecretValue",)
HERE = (*SECRET, *functions.READ)


def _twilio(world: World) -> Twilio:
    def connect() -> Twilio:
        from b2bpilot.twilio.rest import access_of

        access = access_of(world.secret, api_url=world.twilio_api_url)
        if access is None:
            raise SettingsInvalid("the secret has no TWILIO_ACCOUNT_SID or no TWILIO_AUTH_TOKEN")
        return access.connect()

    found: Twilio = world.ask("twilio", connect)
    return found


def _routes(world: World) -> list[Route]:
    def ask() -> list[Route]:
        from b2bpilot.ops.cutover.route import routes

        return routes(_twilio(world))

    found: list[Route] = world.ask("twilio routes", ask)
    return found


def _here(world: World) -> list[Route]:
    """The numbers whose messages come to this environment's webhook, and are taken there."""
    from b2bpilot.ops.cutover.route import is_same_url

    function = functions.found(world, world.stack.webhook_function_name)
    urls = [world.stack.webhook_url, *(other_urls(function) if function else ())]
    return [one for one in _routes(world) if any(is_same_url(one.effective.webhook.url, url) for url in urls)]


def _token_accepted(world: World) -> Answer:
    if not world.choices.with_twilio:
        return unanswered("Twilio is asked with --with-twilio")
    account: Account = world.ask("twilio account", lambda: _twilio(world).account())
    if account.status is None:
        return holds(
            f"account {account.sid}, with an API key that may not read the account: whether it is active was not told"
        )
    seen = f"account {account.sid} is {account.status} ({account.kind})"
    return holds(seen) if account.is_active else fails(f"{seen}: see the billing page of Twilio's console")


def _comes_here(world: World) -> Answer:
    found, here = _routes(world), _here(world)
    if here:
        deciders = ", ".join(dict.fromkeys(f"{one.effective.level} {one.effective.sid}" for one in here))
        return holds(f"{len(here)} of {len(found)} numbers, by {deciders}")
    if not found:
        return fails("the account has no numbers")
    elsewhere = ", ".join(dict.fromkeys(f"{one.effective.level} {one.effective.sid}" for one in found))
    return fails(
        f"the messages of none of {many(len(found), 'number')} come here, by {elsewhere}; {ADVICE}",
        mend=_command(found),
    )


def _of_all_here(is_right: Callable[[WebhookSetting], bool], right: str, wrong: str) -> Probe:
    """Return the probe that looks at what decides about the messages that come here."""

    def probe(world: World) -> Answer:
        here = _here(world)
        bad = [route for route in here if not is_right(route.effective.webhook)]
        if not bad:
            return holds(right)
        whose = ", ".join(dict.fromkeys(f"{one.effective.level} {one.effective.sid}" for one in bad))
        return fails(f"{whose}: {wrong}", mend=_command(bad))

    return probe


def _command(bad: Sequence[Route]) -> str:
    """A number's own command would have to show the number."""
    from b2bpilot.ops.cutover.route import Level

    services = [one.effective.sid for one in bad if one.effective.level is Level.SERVICE]
    return CUTOVER.format(sid=services[0]) if services else ""


def _is_post(webhook: WebhookSetting) -> bool:
    return webhook.method == "POST"


def _has_fallback(webhook: WebhookSetting) -> bool:
    from b2bpilot.ops.cutover.route import is_same_url

    return bool(webhook.fallback_url) and not is_same_url(webhook.url, webhook.fallback_url)


def _is_tried_again(world: World) -> Answer:
    """Also the fallback's overrides are looked at."""
    here = _here(world)
    found = [
        (target, _untried(target.webhook))
        for target in {one.effective.sid: one.effective for one in here}.values()
    ]
    bad = [(target, problem) for target, problem in found if problem]
    if not bad:
        return holds(
            "so say the URLs' # overrides; a webhook rule of the account can override them and was not read"
        )
    told = "; ".join(f"{target.level} {target.sid}: {problem}" for target, problem in bad)
    sids = {target.sid for target, _ in bad}
    return fails(f"{told}; {ADVICE}", mend=_command([one for one in here if one.effective.sid in sids]))


def _untried(webhook: WebhookSetting) -> str:
    from b2bpilot.twilio.overrides import faults_of, retries_server_errors, retries_timeouts

    faults = [
        *faults_of(webhook.url),
        *(f"in the fallback URL {each}" for each in faults_of(webhook.fallback_url)),
    ]
    if faults:
        return f"invalid # overrides, error 11243 at Twilio: {', '.join(faults)}"
    if not retries_server_errors(webhook.url):
        return f"a 5xx is not tried again: #{RECOMMENDED} is missing"
    return "" if retries_timeouts(webhook.url) else f"a timeout is not tried again: #{RECOMMENDED} does it"


def _none_is_lost(world: World) -> Answer:
    lost = [one for one in _routes(world) if one.is_broken or not one.effective.webhook.url]
    if not lost:
        return holds(f"all {len(_routes(world))} have one")
    whose = ", ".join(dict.fromkeys(f"{one.effective.level} {one.effective.sid}" for one in lost))
    return fails(
        f"{many(len(lost), 'number')} without a URL, by {whose}: what is sent there is lost for good; {ADVICE}"
    )


CHECKS = (
    Check(
        code="B2B090",
        category=Category.TWILIO,
        statement="Twilio accepts the secret's token, and the account is active",
        why="With a wrong token every webhook is refused with 403, and no reply is sent.",
        mend="",
        probe=_token_accepted,
        actions=SECRET,
        unless_failed=("B2B010", "B2B016", "B2B017", "B2B018"),
        extra_seconds=20,
    ),
    Check(
        code="B2B091",
        category=Category.TWILIO,
        statement="a number's messages come to this webhook",
        why="An application wins over a Messaging Service, it over the number: the URL that one sees may not count.",
        mend="",
        probe=_comes_here,
        actions=HERE,
        needs=("B2B090",),
        extra_seconds=20,
    ),
    Check(
        code="B2B092",
        category=Category.TWILIO,
        statement="Twilio calls the webhook with POST",
        why="The webhook takes nothing else.",
        mend="",
        probe=_of_all_here(_is_post, "POST", f"it calls with GET; {ADVICE}"),
        actions=HERE,
        needs=("B2B091",),
        extra_seconds=20,
    ),
    Check(
        code="B2B093",
        category=Category.TWILIO,
        statement="there is a fallback URL, another one",
        why="What the webhook does not take goes there; without it, it is lost.",
        mend="",
        probe=_of_all_here(
            _has_fallback, "set", "none, or the same URL; `b2bpilot twilio cutover --fallback URL` sets one"
        ),
        severity=Severity.WARNING,
        actions=HERE,
        needs=("B2B091",),
        extra_seconds=20,
    ),
    Check(
        code="B2B094",
        category=Category.TWILIO,
        statement="Twilio tries again after a 5xx or a timeout",
        why="By default it does not: one bad second loses messages. `#rc=3&rp=5xx,ct,rt&ct=2000&rt=4000` behind the URL makes it; an invalid override is error 11243.",
        mend="",
        probe=_is_tried_again,
        severity=Severity.WARNING,
        actions=HERE,
        needs=("B2B091",),
        extra_seconds=20,
    ),
    Check(
        code="B2B095",
        category=Category.TWILIO,
        statement="no number of the account is without a URL",
        why="Twilio neither delivers nor keeps what is sent to a number without one.",
        mend="",
        probe=_none_is_lost,
        severity=Severity.WARNING,
        actions=SECRET,
        needs=("B2B090",),
        extra_seconds=20,
    ),
)
