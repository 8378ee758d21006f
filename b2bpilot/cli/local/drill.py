"""`b2bpilot local drill`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot.advice import LOCAL, Place, our_command
from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.output import Line, Tone, pairs
from b2bpilot.cli.text.durations import parse_duration
from b2bpilot.errors import UsageError
from b2bpilot.local import packages

if TYPE_CHECKING:
    from b2bpilot.local.drill.books import DrillBooks, DrillPhase
    from b2bpilot.local.drill.plan import DrillPlan

SHOWN = 5
LOCALLY = Place(environment=LOCAL)
RECONCILE = our_command("twilio", "reconcile", "--since", "1h", "--publish-missing")


def drill(
    ctx: typer.Context,
    *,
    rate: Annotated[float, typer.Option("--rate", help="Messages a second.")] = 20,
    seconds: Annotated[float, typer.Option("--seconds", help="How long messages come in.")] = 60,
    stop: Annotated[
        str,
        typer.Option(
            "--stop",
            metavar="SIDE@TIME",
            help="Which side dies, PRIMARY or FALLBACK, and how long after the start.",
        ),
    ] = "PRIMARY@20s",
    back: Annotated[
        str, typer.Option("--back", metavar="TIME", help="How long after the start it comes back.")
    ] = "40s",
) -> None:
    """Let one region of the local pair die under traffic and come back, and balance the books: exit code 1 where they do not.

    Example: b2bpilot local up --pair --detach && b2bpilot local drill
    """
    pilot = pilot_of(ctx)
    packages.require()
    from b2bpilot.local.drill.run import drill as run

    plan = _plan(rate=rate, seconds=seconds, stop=stop, back=back)
    with pilot.output.progress("Starting the drill") as observe:
        books = run(pilot.local_home, plan, observe=observe)
    _show(pilot, books)
    if not books.balances:
        raise typer.Exit(1)


def _plan(*, rate: float, seconds: float, stop: str, back: str) -> DrillPlan:
    from b2bpilot.local.drill.plan import DrillPlan, PairSide

    name, at, time = stop.partition("@")
    if not at or name.lower() not in tuple(PairSide):
        raise UsageError(f"--stop: {stop!r} is not SIDE@TIME", hint="write PRIMARY@20s or FALLBACK@20s")
    plan = DrillPlan(
        rate=rate,
        seconds=seconds,
        side=PairSide(name.lower()),
        stop_at=parse_duration(time, "--stop").total_seconds(),
        back_at=parse_duration(back, "--back").total_seconds(),
    )
    plan.require()
    return plan


def _show(pilot: Pilot, books: DrillBooks) -> None:
    fields = {
        "balances": books.balances,
        "sent": books.sent,
        "stored": books.stored,
        "lost": list(books.lost),
        "refused": list(books.refused),
        "stored_twice": list(books.stored_twice),
        "answered": books.answered,
        "answered_twice": list(books.answered_twice),
        "unclear_replies": books.unclear_replies,
        "over_fallback": books.over_fallback,
        "not_taken": books.not_taken,
        "waiting": books.waiting,
        "waiting_stored_meanwhile": books.waiting_stored_meanwhile,
        "waiting_stored_after": books.waiting_stored_after,
        "dead_letters": dict(books.dead_letters),
        "milliseconds": {each.name: each.latency.summary() for each in books.phases},
    }
    pilot.output.record(fields, text=pairs(_lines(books)))
    verdict = (
        Line("The books balance.", Tone.OK)
        if books.balances
        else Line("The books do not balance.", Tone.FAILED)
    )
    pilot.output.lines([verdict])
    if books.refused:
        pilot.output.notice(f"Twilio has what both refused. To publish it: {RECONCILE.written(LOCALLY)}")


def _lines(books: DrillBooks) -> list[tuple[str, str]]:
    waited = f"{books.waiting_stored_meanwhile} stored before its return, {books.waiting_stored_after} after"
    dead_letters = ", ".join(f"{count} in {region}" for region, count in books.dead_letters.items())
    return [
        ("messages sent", str(books.sent)),
        ("stored once", str(books.stored - len(books.stored_twice))),
        ("lost", _named(books.lost)),
        ("refused by both sides", _named(books.refused)),
        ("stored twice", _named(books.stored_twice)),
        ("answered", f"{books.answered}; {books.unclear_replies} unclear"),
        ("answered twice", _named(books.answered_twice)),
        ("over the fallback", str(books.over_fallback)),
        ("unanswered in time", f"{books.not_taken}, stored or not, by both sides as far as Twilio knows"),
        ("waited in the dead side", f"{books.waiting} that its Lambda had accepted: {waited}"),
        ("dead letters", dead_letters),
        *((f"to the row, {each.name}", _latency(each)) for each in books.phases),
    ]


def _named(sids: object) -> str:
    found = list(sids) if isinstance(sids, list | tuple) else []
    return f"{len(found)}: {', '.join(found[:SHOWN])}" if found else "0"


def _latency(phase: DrillPhase) -> str:
    p50, p95 = phase.latency.percentile(50), phase.latency.percentile(95)
    if p50 is None or p95 is None:
        return f"{phase.sent} messages"
    return f"{phase.sent} messages, p50 {p50:,.0f} ms, p95 {p95:,.0f} ms"
