"""`b2bpilot twilio route`, and routes as they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot.advice import Words, our_command
from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.options import FOUND_SOMETHING, Reveal, exit_code_if
from b2bpilot.cli.output import Line, Row, Tone, Toned, of_state
from b2bpilot.cli.text.privacy import mask_number, without_secrets
from b2bpilot.cli.twilio.account import twilio_access_of
from b2bpilot.errors import NotFound, UsageError

if TYPE_CHECKING:
    from b2bpilot.ops.cutover.route import NumberRoute, Target
    from b2bpilot.ops.reconcile.routing import VerifiedUrls

NOT_READ = "webhook rules, which override # overrides and signatures; WhatsApp senders; short codes"
NAMED = 3
"""For so many Messaging Services a command is printed."""


def route(
    ctx: typer.Context,
    *,
    number: Annotated[
        str | None, typer.Option("--number", help="Only this number, such as +15005550001.", metavar="NUMBER")
    ] = None,
    exit_code: Annotated[bool, exit_code_if("something is unsafe")] = False,
    reveal: Reveal = False,
) -> None:
    """Show which URL receives the messages of each number, what decides it, and what is unsafe about it.

    An application takes precedence over the number, and so does a Messaging Service unless it uses the numbers' webhooks.
    Which of the two wins is not documented: if both are set and differ, the route is unclear. WhatsApp senders, short codes
    and webhook rules are not read.

    Example: b2bpilot twilio route -e prod
    """
    from b2bpilot.ops.cutover.route import routes
    from b2bpilot.ops.reconcile.routing import verified_urls

    pilot = pilot_of(ctx)
    require_not_empty("--number", number)
    verified = verified_urls(pilot.environment)
    with pilot.output.progress("Reading numbers, services and applications"):
        found = routes(twilio_access_of(pilot).connect(), phone_number=number)
    if number and not found:
        raise NotFound(
            "the Twilio account has no such number", hint="see " + our_command("twilio", "route", "--reveal")
        )
    unsafe = {each.number.sid: list(_dangers(each, verified)) for each in found}
    pilot.output.rows("routes", (_row(each, unsafe[each.number.sid], reveal=reveal) for each in found))
    if not found:
        pilot.output.notice("The Twilio account has no phone numbers.")
    _tell_urls(pilot, found)
    _tell_dangers(pilot, found, unsafe, reveal=reveal)
    if exit_code and any(unsafe.values()):
        raise typer.Exit(FOUND_SOMETHING)


def levels_table(pilot: Pilot, name: str, found: Iterable[NumberRoute], *, reveal: bool) -> None:
    """Show all levels of each number, the one that decides first."""
    pilot.output.rows(
        name, (_level_row(each, level, reveal=reveal) for each in found for level in each.levels)
    )


def require_not_empty(option: str, value: str | None) -> None:
    """Raises UsageError: as of a shell whose variable is not set, which must not mean all or the only one."""
    if value is not None and not value.strip():
        raise UsageError(f"{option} is empty")


def shown_number(number: str, *, reveal: bool) -> str:
    return number if reveal else mask_number(number)


def _dangers(route: NumberRoute, verified: VerifiedUrls) -> Iterator[str]:
    """Messages that go to another URL of the webhook, as while it is moved, come here."""
    from b2bpilot.ops.cutover.route import ELSEWHERE, dangers

    elsewhere = f"{ELSEWHERE}, unless to another URL of it: {verified.doubt}" if verified.doubt else ELSEWHERE
    yield from dangers(route, expected_urls=verified.urls, elsewhere=elsewhere)


def _tell_urls(pilot: Pilot, found: Sequence[NumberRoute]) -> None:
    """Below the table, each on a line of its own: a terminal would cut them, and they are what was asked for."""
    targets = {target.sid: target for each in found for target in each.deciders}
    unclear = {target.sid for each in found if each.is_unclear for target in each.deciders}
    text = [
        line
        for target in targets.values()
        for line in (
            "",
            f"{target.level.value} {target.sid} {'calls, where it decides' if target.sid in unclear else 'calls'}",
            f"  {without_secrets(target.webhook.url) or 'none'}",
        )
    ]
    pilot.output.lines(text)
    pilot.output.notice(f"Not read: {NOT_READ}.")


def _tell_dangers(
    pilot: Pilot, found: Sequence[NumberRoute], unsafe: dict[str, list[str]], *, reveal: bool
) -> None:
    lines = list(_dangers_in_words(found, unsafe, reveal=reveal))
    pilot.output.lines(["", *lines] if lines else [])
    for command in _cut_overs([each for each in found if unsafe[each.number.sid]]):
        pilot.output.lines(["Change it (--dry-run shows what would be written): " + command])


def _cut_overs(unsafe: Sequence[NumberRoute]) -> Iterator[Words]:
    """What writes the settings that decide. A number is masked, so its owner puts it in."""
    from b2bpilot.ops.cutover.route import RouteLevel

    targets = [target for each in unsafe for target in each.deciders]
    more = () if all(target.webhook.fallback_url for target in targets) else ("--fallback", "URL")
    services = dict.fromkeys(target.sid for target in targets if target.level is RouteLevel.SERVICE)
    for service in list(services)[:NAMED]:
        yield our_command("twilio", "cutover", "--to", "stack", "--service", service, *more)
    if any(each.effective.level is not RouteLevel.SERVICE for each in unsafe):
        yield our_command("twilio", "cutover", "--to", "stack", "--number", "NUMBER", *more)


def _dangers_in_words(
    found: Sequence[NumberRoute], unsafe: dict[str, list[str]], *, reveal: bool
) -> Iterator[Line]:
    for each in found:
        for danger in unsafe[each.number.sid]:
            number = shown_number(each.number.phone_number, reveal=reveal)
            yield Line(f"{number}: {danger}", Tone.WARNING)


def _row(route: NumberRoute, unsafe: list[str], *, reveal: bool) -> Row:
    """What is unclear is null for programs; the levels have it all."""
    target = route.effective
    decided_by = "unclear" if route.is_unclear else target.level.value
    number = shown_number(route.number.phone_number, reveal=reveal)
    setting = dict.fromkeys(_setting(target)) if route.is_unclear else _setting(target)
    has_fallback = [bool(each.webhook.fallback_url) for each in route.deciders]
    return Row(
        fields={
            "number": number,
            "number_sid": route.number.sid,
            "decided_by": decided_by,
            "sid": None if route.is_unclear else target.sid,
            **setting,
            "levels": [
                {"level": level.level.value, "sid": level.sid, **_setting(level)} for level in route.levels
            ],
            "unsafe": unsafe,
        },
        columns={
            "number": number,
            "decided by": decided_by,
            "sid": " or ".join(each.sid for each in route.deciders) if route.is_unclear else target.sid,
            "fallback": of_state("yes" if all(has_fallback) else "unclear" if any(has_fallback) else "none"),
            "issues": Toned(str(len(unsafe)), Tone.FAILED) if unsafe else "-",
        },
    )


def _level_row(route: NumberRoute, level: Target, *, reveal: bool) -> Row:
    number = shown_number(route.number.phone_number, reveal=reveal)
    may_decide = level in route.deciders if route.is_unclear else level == route.effective
    decides = None if may_decide and route.is_unclear else may_decide
    return Row(
        fields={
            "number": number,
            "level": level.level.value,
            "decides": decides,
            "sid": level.sid,
            **_setting(level),
        },
        columns={
            "number": number,
            "level": level.level.value,
            "decides": of_state("unclear" if decides is None else "yes" if decides else ""),
            "sid": level.sid,
            "URL": without_secrets(level.webhook.url) or "none",
        },
    )


def _setting(target: Target) -> dict[str, object]:
    return {
        "url": without_secrets(target.webhook.url),
        "method": target.webhook.method,
        "fallback_url": without_secrets(target.webhook.fallback_url),
        "fallback_method": target.webhook.fallback_method,
    }
