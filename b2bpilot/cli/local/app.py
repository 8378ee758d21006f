"""`b2bpilot local`."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot.advice import LOCAL, Place, Words, our_command
from b2bpilot.cli.frame.commands import PilotGroup
from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.settings import config_files, subscribers_in
from b2bpilot.cli.frame.table import CommandPath, group
from b2bpilot.cli.output import pairs, pasted
from b2bpilot.cli.text.durations import relative
from b2bpilot.local import packages
from b2bpilot.pipeline.message import format_time, parse_time

if TYPE_CHECKING:
    from b2bpilot.local.control import LocalStatus
    from b2bpilot.local.state import LocalSubscriber
    from b2bpilot.local.subscribers.folder import SubscriberFolder

app = group(
    typer.Typer(cls=PilotGroup, rich_markup_mode=None, help="Run the whole system on this machine."),
    {
        "up": CommandPath(f"{__name__}:up", "Start PostgreSQL, an AWS emulator and the functions."),
        "down": CommandPath(f"{__name__}:down", "Stop the local environment."),
        "status": CommandPath(f"{__name__}:status", "Show what is running and where."),
        "drill": CommandPath(
            "b2bpilot.cli.local.drill:drill",
            "Let one region of a pair die under traffic, and balance the books.",
        ),
    },
)

LOCALLY = Place(environment=LOCAL)
TO_TRY = (
    ("Send a message", our_command("publish", "--body", "Hello", "--wait")),
    ("See it stored", our_command("submissions", "list")),
    ("See what is wrong", our_command("status")),
)
"""What to run first in an environment that has just begun."""


def up(
    ctx: typer.Context,
    *,
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return when it is ready; `local down` stops it.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Delete the rows and queues of the previous run.")
    ] = False,
    subscriber: Annotated[
        list[Path] | None,
        typer.Option(
            "--subscriber", metavar="DIR", help="Also run the subscriber in this folder; repeatable."
        ),
    ] = None,
    pair: Annotated[
        bool, typer.Option("--pair", help="In two regions, with one database: a primary and its fallback.")
    ] = False,
) -> None:
    """Start PostgreSQL, an AWS emulator with the real template, and the functions. Ctrl-C stops all of it.

    Example: b2bpilot local up --detach && b2bpilot publish -e local --wait
    """
    pilot = pilot_of(ctx)
    packages.require()
    from b2bpilot.local import control
    from b2bpilot.local.subscribers.folder import read_folders

    permanent = [path.expanduser().resolve() for path in subscribers_in(config_files(pilot.environ))]
    added = [path for path in subscriber or [] if path.expanduser().resolve() not in permanent]
    folders = read_folders([*permanent, *added])
    if not detach:
        _up_in_foreground(pilot, fresh=fresh, subscribers=folders, pair=pair)
        return
    gone = control.left_out(pilot.local_home, folders)
    with pilot.output.progress("Starting the local environment") as observe:
        status = _up_detached(pilot, fresh=fresh, subscribers=folders, pair=pair, observe=observe)
    _show(pilot, status)
    _tell_what_is_gone(pilot, gone)
    _tell_what_to_try(pilot)


def down(
    ctx: typer.Context,
    *,
    delete: Annotated[
        bool, typer.Option("--delete", help="Also delete its rows, queues and credentials for good.")
    ] = False,
) -> None:
    """Stop the local environment. Its rows and queues are kept for the next `local up`, unless --delete is given.

    Example: b2bpilot local down
    """
    pilot = pilot_of(ctx)
    with packages.said_when_missing():
        from b2bpilot.local import control
    with pilot.output.progress("Stopping the local environment"):
        ended = control.down(pilot.local_home)
        deleted = delete and control.delete(pilot.local_home)
    text = ["Stopped the local environment" if ended else "No local environment is running"]
    if delete:
        text += [
            f"Deleted what it kept in {pilot.local_home}"
            if deleted
            else f"It kept nothing in {pilot.local_home}"
        ]
    fields = {"ended": ended, "deleted": deleted, "home": str(pilot.local_home)}
    pilot.output.record(fields, text=text)


def status(ctx: typer.Context) -> None:
    """Show what is running and where.

    Example: b2bpilot local status -o json
    """
    pilot = pilot_of(ctx)
    with packages.said_when_missing():
        from b2bpilot.local import control
    _show(pilot, control.status(pilot.local_home))


def _up_detached(
    pilot: Pilot,
    *,
    fresh: bool,
    subscribers: Sequence[SubscriberFolder],
    pair: bool,
    observe: Callable[[str], None],
) -> LocalStatus:
    """What was begun ends with a Ctrl-C, too: nobody was told yet that it runs."""
    from b2bpilot.local.control import up_detached

    try:
        return up_detached(
            pilot.local_home, fresh=fresh, subscribers=subscribers, pair=pair, progress=observe
        )
    except KeyboardInterrupt:
        pilot.output.notice("Stopped what was started.")
        raise


def _tell_what_is_gone(pilot: Pilot, subscribers: Sequence[LocalSubscriber]) -> None:
    for one in subscribers:
        kept = our_command("local", "up", "--subscriber", one.folder)
        pilot.output.notice(
            f"Deleted subscriber {one.name}, which was not named this time. To run it again: " + kept
        )


def _tell_what_to_try(pilot: Pilot) -> None:
    for what, command in TO_TRY:
        pilot.output.notice(f"{what}: {command.written(LOCALLY)}")


def _up_in_foreground(
    pilot: Pilot, *, fresh: bool, subscribers: Sequence[SubscriberFolder], pair: bool
) -> None:
    from b2bpilot.local import control
    from b2bpilot.local.environment import running

    gone = control.left_out(pilot.local_home, subscribers)
    with ExitStack() as stack:
        with pilot.output.progress("Starting the local environment") as observe:
            environment = stack.enter_context(
                running(pilot.local_home, fresh=fresh, subscribers=subscribers, pair=pair, progress=observe)
            )
        _show(pilot, control.status(pilot.local_home))
        pilot.output.finish()
        _tell_what_is_gone(pilot, gone)
        _tell_what_to_try(pilot)
        pilot.output.notice("Press Ctrl-C to stop it.")
        environment.serve()
        pilot.output.notice("Stopping the local environment")
    pilot.output.notice(
        "Stopped. Its rows and queues are kept for the next " + our_command("local", "up") + "."
    )


def _show(pilot: Pilot, status: LocalStatus) -> None:
    fields = {
        "running": status.running,
        "home": str(status.home),
        "pid": status.pid,
        "started_at": status.started_at,
        "endpoint_url": status.endpoint_url,
        "webhook_url": status.webhook_url,
        "twilio_api_url": status.twilio_api_url,
        "database_url": status.database_url,
        "stack_name": status.stack_name,
        "region": status.region,
        "account_id": status.account_id,
        "subscribers": [asdict(one) for one in status.subscribers],
        "sides": [asdict(one) for one in status.sides],
        "components": [
            {"name": part.name, "pid": part.pid, "memory_bytes": part.memory_bytes}
            for part in status.components
        ],
        "export": dict(status.export or {}),
    }
    if status.running:
        pilot.output.record(fields, text=pairs(_running(status, now=pilot.machine())))
        pilot.output.lines(["", "For other AWS tools:", *map(pasted, _exports(status))])
    else:
        text: list[Words] = [
            f"No local environment is running in {status.home}",
            "Start one: " + our_command("local", "up"),
        ]
        pilot.output.record(fields, text=text)


def _running(status: LocalStatus, *, now: datetime) -> list[tuple[str, str]]:
    processes = (
        f"{part.name} {part.memory_bytes / 1_000_000:.0f} MB (pid {part.pid})" for part in status.components
    )
    started_at = parse_time(status.started_at)
    return [
        ("running since", f"{format_time(started_at)} ({relative(started_at, now=now)})"),
        ("webhook", str(status.webhook_url)),
        ("Twilio", f"{status.twilio_api_url} (a double; `-e local` uses it)"),
        ("AWS endpoint", f"{status.endpoint_url} (account {status.account_id}, {status.region})"),
        ("database", str(status.database_url)),
        ("stack", f"{status.stack_name} (use it with `-e local`)"),
        *(
            (f"in {one.region}", f"{one.webhook_url} (`-e local --region {one.region}`)")
            for one in status.sides
        ),
        *(("subscriber", _subscriber(one)) for one in status.subscribers),
        ("processes", ", ".join(processes)),
        ("home", str(status.home)),
    ]


def _subscriber(one: LocalSubscriber) -> str:
    parts = [f"function {', '.join(one.functions)}"] if one.functions else []
    parts += [f"queue {one.queue}"] if one.queue else []
    parts += [f"dead letters in {one.dead_letter_queue}"] if one.dead_letter_queue else []
    parts += [f"database {one.database_url}"] if one.database_url else []
    return f"{one.name}: {', '.join(parts)} (from {one.folder})"


def _exports(status: LocalStatus) -> list[str]:
    return [f"export {name}={shlex.quote(value)}" for name, value in (status.export or {}).items()]
