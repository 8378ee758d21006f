"""`b2bpilot twilio route`, and routes as they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.output import Row
from b2bpilot.cli.text.privacy import mask_number, without_secrets
from b2bpilot.cli.twilio.account import twilio_access_of
from b2bpilot.errors import NotFound

if TYPE_CHECKING:
    from b2bpilot.ops.cutover.route import Route, Target

FOUND = 3
NUMBER = Annotated[
    str | None, typer.Option("--number", help="Only this number, such as +15005550001.", metavar="NUMBER")
]
REVEAL = Annotated[bool, typer.Option("--reveal", help="Show numbers in full.")]


def route(
    ctx: typer.Context,
    *,
    number: NUMBER = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with 3 when something is unsafe.")
    ] = False,
    reveal: REVEAL = False,
) -> None:
    """Show which URL really receives the messages of each number, who decides it, and what is unsafe about it.

    An application wins over a Messaging Service, unless that uses the numbers' webhooks, and it over the number. WhatsApp senders have
    a setting of their own that is not looked at.

    Example: b2bpilot twilio route -e prod
    """
    from b2bpilot.ops.cutover.route import dangers, routes

    pilot = pilot_of(ctx)
    expected = pilot.environment.stack.webhook_url
    with pilot.output.progress("Reading numbers, services and applications"):
        found = routes(twilio_access_of(pilot).connect(), phone_number=number)
    if number and not found:
        raise NotFound("the Twilio account has no such number", hint="see `b2bpilot twilio route --reveal`")
    unsafe = {each.number.sid: list(dangers(each, expected_url=expected)) for each in found}
    pilot.output.rows("routes", (_row(each, unsafe[each.number.sid], reveal=reveal) for each in found))
    if not found:
        pilot.output.notice("The Twilio account has no numbers.")
    _tell_urls(pilot, found)
    _tell_dangers(pilot, found, unsafe, reveal=reveal)
    if exit_code and any(unsafe.values()):
        raise typer.Exit(FOUND)


def levels_table(pilot: Pilot, name: str, found: Iterable[Route], *, reveal: bool) -> None:
    """Show all levels of each number, the one that decides first."""
    pilot.output.rows(
        name, (_level_row(each, level, reveal=reveal) for each in found for level in each.levels)
    )


def shown_number(number: str, *, reveal: bool) -> str:
    return number if reveal else mask_number(number)


def _tell_urls(pilot: Pilot, found: Sequence[Route]) -> None:
    """Below the table, each on a line of its own: a terminal would cut them, and they are what was asked for."""
    targets = {each.effective.sid: each.effective for each in found}
    text = [
        line
        for target in targets.values()
        for line in (
            "",
            f"{target.level.value} {target.sid} calls",
            f"  {without_secrets(target.webhook.url) or 'none'}",
        )
    ]
    pilot.output.record({}, text=text)


def _tell_dangers(
    pilot: Pilot, found: Sequence[Route], unsafe: dict[str, list[str]], *, reveal: bool
) -> None:
    lines = list(_dangers_in_words(found, unsafe, reveal=reveal))
    pilot.output.record({}, text=["", *lines] if lines else [])


def _dangers_in_words(found: Sequence[Route], unsafe: dict[str, list[str]], *, reveal: bool) -> Iterator[str]:
    for each in found:
        for danger in unsafe[each.number.sid]:
            yield f"{shown_number(each.number.phone_number, reveal=reveal)}: {danger}"


def _row(route: Route, unsafe: list[str], *, reveal: bool) -> Row:
    target = route.effective
    number = shown_number(route.number.phone_number, reveal=reveal)
    return Row(
        fields={
            "number": number,
            "number_sid": route.number.sid,
            "decided_by": target.level.value,
            "sid": target.sid,
            **_setting(target),
            "levels": [
                {"level": level.level.value, "sid": level.sid, **_setting(level)} for level in route.levels
            ],
            "unsafe": unsafe,
        },
        columns={
            "number": number,
            "decided by": target.level.value,
            "sid": target.sid,
            "fallback": "yes" if target.webhook.fallback_url else "none",
            "unsafe": str(len(unsafe)) if unsafe else "-",
        },
    )


def _level_row(route: Route, level: Target, *, reveal: bool) -> Row:
    number = shown_number(route.number.phone_number, reveal=reveal)
    decides = level == route.effective
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
            "decides": "yes" if decides else "",
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
