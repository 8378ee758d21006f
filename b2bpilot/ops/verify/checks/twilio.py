"""Checks of the category `twilio`: it accepts our token, and its messages really come here, also on a bad day."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from b2bpilot.advice import Command, our_command
from b2bpilot.errors import SettingsInvalid
from b2bpilot.ops.verify import functions
from b2bpilot.ops.verify.check import (
    Answer,
    Category,
    Check,
    Probe,
    Severity,
    fails,
    holds,
    unanswered,
    warns,
)
from b2bpilot.ops.verify.checks.webhook import other_urls
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.plural import many

if TYPE_CHECKING:
    from b2bpilot.ops.cutover.route import NumberRoute, Target
    from b2bpilot.twilio.rest import Account, Twilio
    from b2bpilot.twilio.webhook_setting import WebhookSetting

CUTOVER = our_command("twilio", "cutover", "--to", "stack")
NO_NUMBERS = "the account has no phone numbers"
PAIR = "pair"
NOT_FIRST = "no number calls this webhook first"
ONLY_WHERE_ASKED = "Twilio is asked with --with-twilio"
NOT_READ = "not read: webhook rules, WhatsApp senders and short codes"
RECOMMENDED = "rc=3&rp=5xx,ct,rt&ct=2000&rt=4000"
SECRET = ("secretsmanager:GetSecretValue",)
HERE = (*SECRET, *functions.READ)


def _twilio(deployment: Deployment) -> Twilio:
    def connect() -> Twilio:
        from b2bpilot.twilio.rest import access_of

        access = access_of(deployment.twilio_secret, api_url=deployment.twilio_api_url)
        if access is None:
            raise SettingsInvalid("the secret has no TWILIO_ACCOUNT_SID or no TWILIO_AUTH_TOKEN")
        return access.connect()

    found: Twilio = deployment.ask("twilio", connect)
    return found


def number_routes(deployment: Deployment) -> list[NumberRoute]:
    def ask() -> list[NumberRoute]:
        from b2bpilot.ops.cutover.route import routes

        return routes(_twilio(deployment))

    found: list[NumberRoute] = deployment.ask("twilio routes", ask)
    return found


def _here(deployment: Deployment) -> list[NumberRoute]:
    """The numbers whose messages come to this environment's webhook, whoever of two decides."""
    return [
        one for one in number_routes(deployment) if all(_is_here(deployment, each) for each in one.deciders)
    ]


def _may_come_here(deployment: Deployment) -> list[NumberRoute]:
    """The numbers whose messages come here if the right one of two decides."""
    found = [
        one for one in number_routes(deployment) if any(_is_here(deployment, each) for each in one.deciders)
    ]
    return [one for one in found if one not in _here(deployment)]


def _is_here(deployment: Deployment, target: Target) -> bool:
    from b2bpilot.ops.cutover.route import is_same_url

    function = functions.found(deployment, deployment.stack.webhook_function_name)
    urls = [deployment.stack.webhook_url, *(other_urls(function) if function else ())]
    return any(is_same_url(target.webhook.url, url) for url in urls)


def _leading_here(deployment: Deployment) -> list[Target]:
    """What sends messages here where it decides, also where another one may decide."""
    return [each for each in _deciders(number_routes(deployment)) if _is_here(deployment, each)]


def _falling_back_here(deployment: Deployment) -> int:
    """How many numbers call this webhook when their first URL fails."""
    from b2bpilot.ops.cutover.route import is_same_url

    url = deployment.stack.webhook_url
    found = number_routes(deployment)
    return sum(all(is_same_url(each.webhook.fallback_url, url) for each in one.deciders) for one in found)


def _deciders(numbers: Sequence[NumberRoute]) -> list[Target]:
    """Each one that decides, or may, once."""
    return list({target.sid: target for one in numbers for target in one.deciders}.values())


def _names(targets: Sequence[Target]) -> str:
    return ", ".join(f"{target.level} {target.sid}" for target in targets)


def _token_accepted(deployment: Deployment) -> Answer:
    if not deployment.choices.with_twilio:
        return unanswered(ONLY_WHERE_ASKED)
    account: Account = deployment.ask("twilio account", lambda: _twilio(deployment).account())
    if account.status is None:
        return holds(
            f"account {account.sid}, with an API key that may not read the account: whether it is active was not told"
        )
    seen = f"account {account.sid} is {account.status} ({account.kind})"
    return holds(seen) if account.is_active else fails(f"{seen}: see the billing page of Twilio's console")


def _comes_here(deployment: Deployment) -> Answer:
    found, here, unclear = number_routes(deployment), _here(deployment), _may_come_here(deployment)
    if unclear:
        return warns(
            f"{len(here)} of {many(len(found), 'number')}; of {len(unclear)} it is unclear: {_names(_deciders(unclear))} are both set,"
            f" not alike, and Twilio does not document which it asks; a cutover sets both",
            fix=cutover_command(unclear),
        )
    if here:
        return holds(f"{len(here)} of {many(len(found), 'number')}, by {_names(_deciders(here))}; {NOT_READ}")
    if not found:
        return warns(f"{NO_NUMBERS}; {NOT_READ}", fix="")
    if deployment.stack.pair_region and (second := _falling_back_here(deployment)):
        return holds(
            f"as the fallback of {many(second, 'number')} alone, which is what a pair's second side is; {NOT_READ}"
        )
    return fails(
        f"the messages of none of {many(len(found), 'number')} come here, by {_names(_deciders(found))}; {NOT_READ}",
        fix=cutover_command(found),
    )


def _of_all_here(
    is_right: Callable[[WebhookSetting], bool], right: str, wrong: str, more: tuple[str, ...] = ()
) -> Probe:
    """Return the probe that looks at what decides, or may, about the messages that come here."""

    def probe(deployment: Deployment) -> Answer:
        leading = _leading_here(deployment)
        bad = [target for target in leading if not is_right(target.webhook)]
        if bad:
            asked = [PAIR if each == "URL" and deployment.stack.pair_region else each for each in more]
            return fails(
                f"{_names(bad)}: {wrong}", fix=cutover_command(_of(number_routes(deployment), bad), *asked)
            )
        return holds(right) if leading else unanswered(NOT_FIRST)

    return probe


def _of(numbers: Sequence[NumberRoute], targets: Sequence[Target]) -> list[NumberRoute]:
    sids = {target.sid for target in targets}
    return [one for one in numbers if any(target.sid in sids for target in one.deciders)]


def cutover_command(bad: Sequence[NumberRoute], *more: str) -> Command:
    """A number's own command would have to show the number."""
    from b2bpilot.ops.cutover.route import RouteLevel

    services = [target.sid for target in _deciders(bad) if target.level is RouteLevel.SERVICE]
    service = ("--service", services[0]) if services else ()
    return our_command(*CUTOVER.words, *service, *more)


def _is_post(webhook: WebhookSetting) -> bool:
    return webhook.method == "POST"


def _has_fallback(webhook: WebhookSetting) -> bool:
    from b2bpilot.ops.cutover.route import is_same_url

    return bool(webhook.fallback_url) and not is_same_url(webhook.url, webhook.fallback_url)


def _is_tried_again(deployment: Deployment) -> Answer:
    """Also the fallback's overrides are looked at."""
    leading = _leading_here(deployment)
    bad = [(target, problem) for target in leading if (problem := _untried(target.webhook))]
    if not leading:
        return unanswered(NOT_FIRST)
    if not bad:
        return holds(f"so say the URLs' # overrides, which webhook rules of the account override; {NOT_READ}")
    told = "; ".join(f"{target.level} {target.sid}: {problem}" for target, problem in bad)
    return fails(
        f"{told}", fix=cutover_command(_of(number_routes(deployment), [target for target, _ in bad]))
    )


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


def _none_is_lost(deployment: Deployment) -> Answer:
    from b2bpilot.ops.cutover.route import gone

    found = number_routes(deployment)
    if not found:
        return unanswered(NO_NUMBERS)
    broken = [one for one in found if one.is_broken]
    blank = [one for one in found if one not in broken and any(not each.webhook.url for each in one.deciders)]
    if not broken and not blank:
        return holds(f"all {len(found)} have one; {NOT_READ}")
    told = [f"{one.number.sid}'s {gone(one)}" for one in broken]
    return fails("; ".join([*told, *_blank_in_words(blank)]), fix=cutover_command(blank) if blank else "")


def _blank_in_words(numbers: Sequence[NumberRoute]) -> Iterator[str]:
    """Twilio documents of a service alone that without a URL it does not keep what is sent to its numbers."""
    from b2bpilot.ops.cutover.route import RouteLevel

    if not numbers:
        return
    blank = [each for each in _deciders(numbers) if not each.webhook.url]
    kept = (
        "; a service's is not kept either" if any(each.level is RouteLevel.SERVICE for each in blank) else ""
    )
    decides = ", if it decides" if any(one.is_unclear for one in numbers) else ""
    yield f"{many(len(numbers), 'number')} without one, by {_names(blank)}{decides}: what is sent there is not delivered{kept}"


def _urgent_numbers_are_ours(deployment: Deployment) -> Answer:
    """Short codes and WhatsApp senders stand in other lists of Twilio's, which are not read."""
    from b2bpilot.pipeline.priority import numbers_in

    wanted = numbers_in(deployment.stack.high_priority_numbers)
    if not wanted:
        return holds("HighPriorityNumbers names none")
    known = {one.number.phone_number for one in number_routes(deployment)}
    missing = sorted(number for number in wanted - known if number.startswith("+"))
    if missing:
        return warns(
            f"{', '.join(missing)}: not found among the {many(len(known), 'number')} that were listed; {NOT_READ}",
            fix="",
        )
    codes = sorted(wanted - known)
    left = f"; not looked for: {', '.join(codes)}, as short codes are not listed" if codes else ""
    return holds(f"{len(wanted) - len(codes)} of {many(len(wanted), 'number')}{left}")


check = partial(Check, category=Category.TWILIO, actions=HERE, needs=("B2B091",))

CHECKS = (
    check(
        code="B2B090",
        statement="Twilio accepts the secret's token, and the account is active",
        why="With a wrong token every webhook is refused with 403, and no reply is sent.",
        probe=_token_accepted,
        actions=SECRET,
        unless_failed=("B2B010", "B2B016", "B2B017", "B2B018"),
        extra_seconds=20,
        needs=(),
    ),
    check(
        code="B2B091",
        statement="a number's messages come to this webhook",
        why="A number's application and its Messaging Service take precedence over its own URL, which may have no effect.",
        probe=_comes_here,
        needs=("B2B090",),
        extra_seconds=20,
    ),
    check(
        code="B2B092",
        statement="Twilio calls the webhook with POST",
        why="The webhook takes nothing else.",
        probe=_of_all_here(_is_post, "POST", "it calls with GET"),
        extra_seconds=20,
    ),
    check(
        code="B2B093",
        statement="there is a fallback URL, different from the first",
        why="What the webhook does not take goes there; without it, it is lost.",
        probe=_of_all_here(_has_fallback, "set", "none, or the same URL", more=("--fallback", "URL")),
        severity=Severity.WARNING,
        extra_seconds=20,
    ),
    check(
        code="B2B094",
        statement="Twilio tries again after a 5xx or a timeout",
        why="By default it does not: one bad second loses messages. `#rc=3&rp=5xx,ct,rt&ct=2000&rt=4000` behind the URL makes it; an invalid override is error 11243.",
        probe=_is_tried_again,
        severity=Severity.WARNING,
        extra_seconds=20,
    ),
    check(
        code="B2B095",
        statement="no number of the account is without a URL",
        why="Twilio does not deliver what is sent to a number without one; without a Messaging Service's, it does not even keep it.",
        probe=_none_is_lost,
        severity=Severity.WARNING,
        actions=SECRET,
        needs=("B2B090",),
        extra_seconds=20,
    ),
    check(
        code="B2B195",
        statement="the numbers of HighPriorityNumbers are the account's",
        why="A number with a slip in it marks nothing: what is sent to the right one waits as all do.",
        probe=_urgent_numbers_are_ours,
        severity=Severity.WARNING,
        actions=SECRET,
        needs=("B2B090",),
        extra_seconds=20,
    ),
)
