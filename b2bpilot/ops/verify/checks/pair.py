"""Checks of the category `pair`: two sides that are alike, lead to one database, and that Twilio knows both of."""

from __future__ import annotations

import hmac
import secrets
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from b2bpilot.advice import Words
from b2bpilot.errors import PilotError
from b2bpilot.ops.verify import template
from b2bpilot.ops.verify.check import (
    Answer,
    Category,
    Check,
    Severity,
    fails,
    holds,
    silent,
    unanswered,
    warns,
)
from b2bpilot.ops.verify.checks.end_to_end import PERMISSIONS, WITHOUT_WHICH_IT_FAILS
from b2bpilot.ops.verify.checks.stack.stack import deployed_template
from b2bpilot.ops.verify.checks.stale import READ_SCHEDULE, found_schedule
from b2bpilot.ops.verify.checks.twilio import (
    HERE,
    NO_NUMBERS,
    NOT_READ,
    ONLY_WHERE_ASKED,
    cutover_command,
    number_routes,
)
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.end_to_end_message import EndToEndMessage, SecondSending
from b2bpilot.ops.verify.shared import shared_environment
from b2bpilot.plural import many

if TYPE_CHECKING:
    from b2bpilot.ops.cutover.pair import NumberRoles

NOT_ASKED = "both sides are asked with --both"
TOKEN = "TWILIO_AUTH_TOKEN"  # noqa: S105  # nosec B105  # a field's name
SHOWN = 3


def _other(deployment: Deployment) -> Deployment:
    """Return the other side, which is known to answer: the first check looks."""
    if deployment.other is None or deployment.other.value is None:
        raise PilotError(NOT_ASKED)
    return deployment.other.value


def _answers(deployment: Deployment) -> Answer:
    region = deployment.stack.pair_region
    if deployment.other is None:
        return unanswered(NOT_ASKED)
    if deployment.other.value is None:
        return fails(f"{region} does not answer: {deployment.other.error}", fix=deployment.other.hint)
    return holds(f"{deployment.other.value.stack.stack_name} in {region}")


def _name_each_other(deployment: Deployment) -> Answer:
    here, there = deployment.stack, _other(deployment).stack
    if there.pair_region == here.region:
        return holds(f"{here.region} and {there.region}")
    named = f"names {there.pair_region}" if there.pair_region else "names no pair"
    return fails(f"{there.region} {named}: deploy it with PairRegion={here.region}")


def _same_template(deployment: Deployment) -> Answer:
    other = _other(deployment)
    both = [template.parse(deployed_template(one)) for one in (deployment, other)]
    if not all(both):
        return unanswered("CloudFormation does not give the template of both")
    digests = [template.digest(one) for one in both]
    if digests[0] == digests[1]:
        return holds(f"digest {digests[0]}")
    found = template.differences(both[1], both[0])
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    regions = (deployment.stack.region, other.stack.region)
    told = " and ".join(f"{digest} in {region}" for digest, region in zip(digests, regions, strict=True))
    return fails(f"digests {told} differ: {', '.join(found[:SHOWN])}{more}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowAcross:
    """A row that this side's functions wrote. `is_found`: the other side's table has it; `second` is the same message, sent
    through the other side. Both None where there is no row."""

    message_id: str
    is_found: bool | None = None
    second: SecondSending | None = None


def _same_database(deployment: Deployment) -> Answer:
    """By a row that one side's functions have written, and what the other side's make of it. Strings that are alike may lead
    to two databases, and strings that differ to one."""
    if not deployment.choices.end_to_end:
        return _as_seen_from_here(deployment, _other(deployment))
    across: RowAcross = deployment.ask("row across", lambda: _row_across(deployment))
    here, there = deployment.stack.region, _other(deployment).stack.region
    if across.second is None:
        return unanswered(
            f"test message {across.message_id}, sent through {here}, was not stored: see B2B096"
        )
    if not across.second.sent.is_confirmed:
        error = f"{there} did not take test message {across.message_id}: {across.second.sent.error}"
        return silent(error, may_change=True)
    return _told(here, there, across.second, is_found=bool(across.is_found))


def _row_across(deployment: Deployment) -> RowAcross:
    other = _other(deployment)
    mine = EndToEndMessage(deployment)
    copy = EndToEndMessage(other, copy_of=mine)
    deployment.test_messages[mine.message_id] = lambda: mine.remove().is_certain
    other.test_messages[copy.message_id] = lambda: copy.remove().is_certain
    try:
        first = mine.send()
        if first.waited is None or not first.waited.published.is_stored:
            return RowAcross(message_id=mine.message_id)
        is_found = _is_found(other, copy)
        return RowAcross(message_id=mine.message_id, is_found=is_found, second=copy.send_again())
    finally:
        with suppress(PilotError):
            copy.remove()
            mine.remove()


def _is_found(other: Deployment, copy: EndToEndMessage) -> bool:
    """Whether the row is in the table that the other side's functions are proven to write."""
    with other.table() as table:
        if not table.proof.is_proven:
            raise PilotError(f"{other.stack.region}: {table.proof.told()}")
        return copy.rows_in(table) > 0


def _told(here: str, there: str, second: SecondSending, *, is_found: bool) -> Answer:
    """The word of the other side's processor is worth more than a connection from here: where names mean different machines,
    this one may see one database where there are two."""
    events = second.events or {}
    another = f"{there} writes into another database: a test message that {here} had stored was"
    if events.get("stored"):
        return fails(f"{another} stored there a second time")
    if not events.get("duplicate"):
        untold = (
            f"what {there}'s processor made of it is not known: {second.log_error or 'its log does not tell'}"
        )
        seen = f"{there}'s table has the row that {here} wrote, but {untold}"
        return warns(seen) if is_found else fails(f"{another} not in it")
    if not is_found:
        return warns(
            f"{there}'s processor knows the row that {here} wrote; the database of its secret, seen from here, does not"
        )
    if events["duplicate"] < second.each:
        told = f"but its logs tell of {events['duplicate']} of {second.each} deliveries"
        return warns(f"{there}'s table has the row that {here} wrote, {told}")
    return holds(
        f"a row that {here} wrote was read through {there}, whose processor skipped its message as a duplicate"
    )


def _as_seen_from_here(deployment: Deployment, other: Deployment) -> Answer:
    identities = []
    for one in (deployment, other):
        with one.table() as table:
            table.now()
            identities.append(table.database.identity)
    if None not in identities and identities[0] != identities[1]:
        return fails("the secrets lead to two databases, as seen from here: oid and server's start differ")
    return unanswered(f"{deployment.choices.because}: only a test row that crosses proves it")


def _same_token(deployment: Deployment) -> Answer:
    """Compared by digests with a salt that is forgotten at once, so that nothing of a token can be shown."""
    salt = secrets.token_bytes(32)
    other = _other(deployment)
    found = [one.twilio_secret.get(TOKEN) for one in (deployment, other)]
    regions = (deployment.stack.region, other.stack.region)
    if missing := [region for region, token in zip(regions, found, strict=True) if not token]:
        return fails(f"no {TOKEN} in the secret of {' and '.join(missing)}")
    digests = [hmac.digest(salt, str(token).encode(), "sha256") for token in found]
    if hmac.compare_digest(*digests):
        return holds("compared by salted digests")
    return fails(
        f"the tokens differ: {regions[1]} refuses what Twilio signs, or {regions[0]} does; both secrets need the account's token"
    )


def _roles(deployment: Deployment) -> list[NumberRoles]:
    """Of the numbers whose messages either side gets."""

    def ask() -> list[NumberRoles]:
        from b2bpilot.ops.cutover.pair import roles
        from b2bpilot.ops.reconcile.routing import verified_urls

        sides = (deployment, _other(deployment))
        urls = {one.stack.region: verified_urls(shared_environment(one)).urls for one in sides}
        return [one for one in roles(number_routes(deployment), urls) if one.is_ours or one.route.is_unclear]

    found: list[NumberRoles] = deployment.ask("pair's numbers", ask)
    return found


def _falls_back(deployment: Deployment) -> Answer:
    if not deployment.choices.with_twilio:
        return unanswered(ONLY_WHERE_ASKED)
    found = _roles(deployment)
    if not found:
        return unanswered(f"{NO_NUMBERS} that lead to either side; {NOT_READ}")
    wrong = [one for one in found if one.problem]
    if not wrong:
        return holds(f"{many(len(found), 'number')}; {NOT_READ}")
    told = "; ".join(f"{_named(one)}: {one.problem}" for one in wrong)
    return fails(f"{len(wrong)} of {many(len(found), 'number')}: {told}", fix=_command(wrong))


def _has_time(deployment: Deployment) -> Answer:
    from b2bpilot.twilio.overrides import (
        TOTAL_MILLISECONDS,
        faults_of,
        longest_milliseconds,
        one_try_milliseconds,
    )

    found = [one for one in _roles(deployment) if one.primary and one.fallback]
    late = []
    for one in found:
        webhook = one.route.effective.webhook
        if any(faults_of(url) for url in (webhook.url, webhook.fallback_url)):
            continue
        taken, needed = longest_milliseconds(webhook.url), one_try_milliseconds(webhook.fallback_url)
        if taken + needed > TOTAL_MILLISECONDS:
            left = max(TOTAL_MILLISECONDS - taken, 0)
            late.append((one, f"up to {taken / 1000:g} s for its first URL leave {left / 1000:g} s of 15"))
    if not found:
        return unanswered("no number has a side as its first URL and as its fallback")
    if not late:
        return holds(f"{many(len(found), 'number')}, also if Twilio gives both no more than 15 s together")
    told = "; ".join(f"{_named(one)}: {text}" for one, text in late)
    return fails(
        f"{told}, should Twilio give both no more together, which is not documented",
        fix=_command([one for one, _ in late]),
    )


def _named(one: NumberRoles) -> str:
    target = one.route.effective
    number = one.route.number.sid
    return (
        f"number {number}"
        if target.sid == number
        else f"number {number} (by {target.level.value} {target.sid})"
    )


def _command(wrong: list[NumberRoles]) -> Words:
    return cutover_command([one.route for one in wrong], "--fallback", "pair")


def _both_scheduled(deployment: Deployment) -> Answer:
    wrong = []
    for one in (deployment, _other(deployment)):
        schedule = found_schedule(one)
        if schedule is None or not schedule.is_enabled:
            wrong.append(f"{one.stack.region}: {'none' if schedule is None else 'it is disabled'}")
    return fails("; ".join(wrong)) if wrong else holds("in both")


THE_OTHER_ANSWERS = Check(
    code="B2B200",
    category=Category.PAIR,
    statement="the other side answers",
    why="A side that is not there takes nothing when the first one fails.",
    probe=_answers,
    actions=("cloudformation:DescribeStacks",),
    needs=("B2B010",),
)

check = partial(Check, category=Category.PAIR, needs=(THE_OTHER_ANSWERS.code,))

CHECKS = (
    THE_OTHER_ANSWERS,
    check(
        code="B2B201",
        statement="each side names the other",
        why="From a side that names no pair nobody finds the other one.",
        probe=_name_each_other,
        severity=Severity.WARNING,
    ),
    check(
        code="B2B202",
        statement="both sides have the same template",
        why="What differs shows on the day when the other side is needed.",
        probe=_same_template,
        severity=Severity.WARNING,
        actions=("cloudformation:GetTemplate",),
    ),
    check(
        code="B2B203",
        statement="both sides write into one database",
        why="With two, a message that comes over both sides is two rows, and is answered twice.",
        probe=_same_database,
        actions=PERMISSIONS,
        needs=(THE_OTHER_ANSWERS.code, "B2B010", "B2B075", "B2B110"),
        unless_failed=WITHOUT_WHICH_IT_FAILS,
        extra_seconds=60,
    ),
    check(
        code="B2B204",
        statement="both sides have the same Twilio token",
        why="A side with another one refuses what Twilio signs with 403, and the message is lost.",
        probe=_same_token,
        actions=("secretsmanager:GetSecretValue",),
    ),
    check(
        code="B2B205",
        statement="each number falls back to the other side, with POST",
        why="What the first side does not take is lost then.",
        probe=_falls_back,
        actions=HERE,
        needs=(THE_OTHER_ANSWERS.code, "B2B090"),
        extra_seconds=20,
    ),
    check(
        code="B2B206",
        statement="the first URL's # settings leave time for the fallback",
        why="Twilio documents 15 s for a webhook, and not whether the fallback has 15 s of its own.",
        probe=_has_time,
        severity=Severity.WARNING,
        actions=HERE,
        needs=("B2B205",),
        extra_seconds=20,
    ),
    check(
        code="B2B207",
        statement="the schedule of both sides is on",
        why="What the first side accepted and did not store is taken up by the other one's stale processor.",
        probe=_both_scheduled,
        actions=READ_SCHEDULE,
    ),
)
