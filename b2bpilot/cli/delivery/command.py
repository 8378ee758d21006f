"""`b2bpilot delivery`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot.advice import LOCAL, Words, our_command
from b2bpilot.aws.modes import MODES
from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.options import DRY_RUN
from b2bpilot.cli.text.durations import in_largest_unit, parse_duration
from b2bpilot.errors import TimedOut, UsageError
from b2bpilot.pipeline.message import format_time

if TYPE_CHECKING:
    from datetime import timedelta

    from b2bpilot.aws.queue_attributes import Counters
    from b2bpilot.ops.delivery.old_queue import OldQueueReading
    from b2bpilot.ops.delivery.reading import DeliveryReading

PAUSE_SECONDS = 10
KEEPS_ITS_MODE = "The local environment keeps the mode that `local up` starts it with"


def delivery(
    ctx: typer.Context,
    *,
    to: Annotated[
        str | None,
        typer.Option(
            help=f"Say how to get to this mode: {', '.join(MODES)}.",
            metavar="MODE",
            autocompletion=lambda: list(MODES),
        ),
    ] = None,
    wait: Annotated[
        str | None,
        typer.Option(
            "--wait",
            help="With --to, wait until the next deploy may come: 30s, or DURATION.",
            metavar="[DURATION]",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print, as without it: this command deploys nothing.")
    ] = False,
) -> None:
    """Show how messages get to the processor, and where they are: the mode of delivery.

    With --to, print the deploys that lead to another mode, and what to wait for after each. It deploys nothing itself.
    Exit code 1: with --wait, the time was over before that was so.

    Example: b2bpilot delivery -e prod --to queue --wait 30m
    """
    from b2bpilot.ops.delivery.reading import read_delivery

    if to is None and (wait or dry_run):
        raise UsageError("--wait and --dry-run need --to", hint="name the mode, such as --to queue")
    if wait and dry_run:
        raise UsageError("--wait cannot be used with --dry-run", hint="leave one of them out")
    if to is not None and to not in MODES:
        raise UsageError(f"--to: {to!r} is no mode of delivery", hint=f"it must be one of {', '.join(MODES)}")
    seconds = parse_duration(wait, "--wait").total_seconds() if wait else None
    pilot = pilot_of(ctx)
    reading = read_delivery(pilot.environment)
    if to is None:
        pilot.output.record(_fields(reading), text=_text(reading))
    elif seconds is None:
        _plan(pilot, reading, to)
        if dry_run:
            pilot.output.notice(DRY_RUN)
    else:
        _wait(pilot, to, seconds)


def _plan(pilot: Pilot, reading: DeliveryReading, to: str) -> None:
    from b2bpilot.ops.delivery.change import steps, waiting_for

    found, open_ = steps(reading.mode, to), waiting_for(reading, to)
    fields = {
        "mode": reading.mode,
        "to": to,
        "steps": [{"mode": one.mode, "until": one.until} for one in found],
        "waiting_for": open_,
    }
    lines: list[Words] = [f"Delivery is {reading.mode} now."]
    lines += [f"Before anything else: {text}" for text in open_]
    if is_local := found and pilot.environment_name == LOCAL:
        lines.append(f"{KEEPS_ITS_MODE}. Elsewhere the way is:")
    for place, step in enumerate(found, start=1):
        deploy, wait = _deploy(step.mode), our_command("delivery", "--to", to, "--wait", "30m")
        lines += (
            [f"{place}. Deploy with `Delivery: {step.mode}`, and wait until {step.until}."]
            if is_local
            else [
                f"{place}. {deploy[0][:1].upper()}{deploy[0][1:]}",
                "   " + deploy[1],
                f"   Wait until {step.until}:",
                "   " + wait,
            ]
        )
    pilot.output.record(fields, text=lines)


def _deploy(mode: str) -> tuple[str, Words]:
    return f"deploy with the line `Delivery: {mode}` in FILE:", our_command("deploy", "--parameters", "FILE")


def _wait(pilot: Pilot, to: str, seconds: float) -> None:
    from b2bpilot.ops.delivery.change import steps, waiting_for
    from b2bpilot.ops.delivery.reading import read_delivery
    from b2bpilot.ops.environment import discover
    from b2bpilot.pipeline.waiting import wait_until

    def look() -> tuple[DeliveryReading, list[str]]:
        reading = read_delivery(discover(pilot.environment_name, pilot.access))
        return reading, waiting_for(reading, to)

    reading, open_ = wait_until(
        look, enough=lambda seen: not seen[1], seconds=seconds, pause_seconds=PAUSE_SECONDS
    )
    if open_:
        raise TimedOut(f"not yet, after {seconds:,.0f} s: {'; '.join(open_)}")
    rest = steps(reading.mode, to)
    text: list[Words] = [f"Delivery is {reading.mode}, and nothing is left to wait for."]
    if rest and pilot.environment_name == LOCAL:
        text.append(f"{KEEPS_ITS_MODE}. Elsewhere a deploy with `Delivery: {rest[0].mode}` would be next.")
    elif rest:
        title, command = _deploy(rest[0].mode)
        text += [f"Next: {title}", "  " + command]
    pilot.output.record(
        {"mode": reading.mode, "to": to, "next": rest[0].mode if rest else None, "waiting_for": []}, text=text
    )


def _fields(reading: DeliveryReading) -> dict[str, object]:
    return {
        "mode": reading.mode,
        "subscribed_by_topic": "lambda" in reading.protocols,
        "subscribed_by_queue": "sqs" in reading.protocols,
        "mapping": str(reading.mapping.state),
        "queue_concurrency": reading.mapping.max_concurrency,
        "waiting": reading.queue.visible,
        "in_flight": reading.queue.hidden,
        "oldest_seconds": reading.oldest.total_seconds() if reading.oldest is not None else None,
        "dead_letters": reading.dead_letters.total,
        "changed_at": format_time(reading.change.at),
        "old_queue": _old_fields(reading.old) if reading.old else None,
    }


def _old_fields(old: OldQueueReading) -> dict[str, object]:
    return {
        "arn": old.arn,
        "mapping_id": old.mapping_id,
        "mapping": str(old.mapping.state),
        "waiting": old.queue.visible,
        "in_flight": old.queue.hidden,
        "oldest_seconds": old.oldest.total_seconds() if old.oldest is not None else None,
        "dead_letter_queue": old.dead_letter_arn,
        "dead_letters": old.dead_letters.total if old.dead_letters else None,
    }


def _text(reading: DeliveryReading) -> list[Words]:
    is_by = {
        name: "subscribed" if name in reading.protocols else "not subscribed" for name in ("lambda", "sqs")
    }
    return [
        f"mode           {reading.mode}",
        f"by the topic   {is_by['lambda']}",
        f"by the queue   {is_by['sqs']}; mapping {reading.mapping.state.lower()}, {reading.mapping.max_concurrency} runs at most",
        f"in the queue   {_counted(reading.queue, reading.oldest)}",
        f"dead letters   about {reading.dead_letters.total:,}",
        *(_old_text(reading.old) if reading.old else []),
    ]


def _old_text(old: OldQueueReading) -> list[Words]:
    dead_letters = (
        "it has no dead-letter queue" if old.dead_letters is None else f"about {old.dead_letters.total:,}"
    )
    return [
        f"old queue      {old.name}; mapping {old.mapping_id} {old.mapping.state.lower()}",
        f"in it          {_counted(old.queue, old.oldest)}",
        f"given up there {dead_letters}",
    ]


def _counted(queue: Counters, oldest: timedelta | None) -> str:
    counts = f"about {queue.visible:,} waiting, {queue.hidden:,} in flight"
    age = "unknown" if oldest is None else in_largest_unit(oldest.total_seconds())
    return f"{counts}; the oldest {age}" if queue.total else counts
