"""`b2bpilot subscribers new`: a folder that a team deploys as its own stack."""

from __future__ import annotations

from typing import Annotated

import typer

from b2bpilot.advice import our_command
from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.errors import AwsError, LocalEnvironmentError, UsageError
from b2bpilot.ops.subscribers.new_filter import DEFAULT
from b2bpilot.ops.subscribers.new_folder import Protocol
from b2bpilot.paths import absolute
from b2bpilot.plural import many


def new(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the subscriber.", metavar="NAME")],
    *,
    filter_: Annotated[
        str, typer.Option("--filter", help="Filter policy on the message's attributes.", metavar="JSON")
    ] = DEFAULT,
    protocol: Annotated[
        Protocol,
        typer.Option(
            help="lambda: SNS calls the function; queue: through a queue of its own.", metavar="PROTOCOL"
        ),
    ] = Protocol.LAMBDA,
    folder: Annotated[
        str | None,
        typer.Option("--dir", help="Folder to write, new or empty.  [default: NAME]", metavar="PATH"),
    ] = None,
) -> None:
    """Write a folder that a team deploys as its own stack: a subscriber beside the processor.

    Nothing is deployed. Where an environment is named, it is asked whether the name is taken.

    Example: b2bpilot subscribers new analytics --filter '{"priority": ["high"], "test": ["false"]}'
    """
    from b2bpilot.ops.subscribers import new_folder
    from b2bpilot.ops.subscribers.names import require_name
    from b2bpilot.ops.subscribers.new_filter import read_filter

    pilot = pilot_of(ctx)
    require_name(name)
    wanted = new_folder.NewSubscriber(name=name, protocol=protocol, filter_policy=read_filter(filter_))
    place = absolute(name if folder is None else _named(folder)).resolve()
    new_folder.require_free(place)
    _require_untaken(pilot, name)
    files = wanted.files()
    new_folder.write(place, files)
    pilot.output.record(
        {"subscriber": name, "protocol": protocol, "folder": str(place), "files": [*files]},
        text=[f"Wrote subscriber {name} to {place}: {many(len(files), 'file')}"],
    )
    pilot.output.notice("Next, in that folder: make test. README.md there says how to deploy it.")
    pilot.output.notice("Try it on this machine: " + our_command("local", "up", "--subscriber", str(place)))


def _named(folder: str) -> str:
    """What a variable that is not set leaves is no folder; Path would call it this one."""
    if not folder:
        raise UsageError("--dir is empty", hint="name a folder, or leave it out")
    return folder


def _require_untaken(pilot: Pilot, name: str) -> None:
    """Raises UsageError. Without an answer it goes on, and says so: nothing is deployed yet."""
    from b2bpilot.ops.subscribers.discovery import is_taken

    if pilot.settings.environment is None:
        return
    try:
        taken = is_taken(pilot.environment, name)
    except (AwsError, LocalEnvironmentError) as exc:
        pilot.output.notice(
            f"Whether {pilot.environment_name} has a subscriber {name} already is unknown: {exc}"
        )
        return
    if taken:
        raise UsageError(
            f"{pilot.environment_name} has a subscriber {name} already",
            hint="choose another name; " + our_command("subscribers") + " shows them",
        )
