"""The arguments, options and questions that `dlq` commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from b2bpilot.cli.frame.confirm_name import ask_for_name
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.frame.options import DRY_RUN
from b2bpilot.plural import many

DeadLetterId = Annotated[
    str, typer.Argument(help="A message_id, a MessageSid, or the id in the queue.", metavar="ID")
]
Adopt = Annotated[
    list[str] | None,
    typer.Option(
        "--adopt",
        help="Treat dead letters of this deleted subscription as the processor's, or --subscriber's; repeatable.",
        metavar="ARN",
    ),
]


def confirm(pilot: Pilot, action: str, *, yes: bool) -> None:
    """Name the environment and ask. Raises Refused."""
    pilot.confirmation(yes=yes).ask(_plan(pilot, action), "Continue?")


def show_dry_run(pilot: Pilot, action: str | None) -> None:
    """Say what would be done, if anything, as the question does that is not asked."""
    for line in _plan(pilot, action) if action else ():
        pilot.output.notice(line)
    pilot.output.notice(DRY_RUN)


def confirm_by_name(pilot: Pilot, action: str, *, typed: str | None) -> None:
    """Ask for the environment's name. Raises Refused."""
    environment = pilot.environment
    ask_for_name(pilot.confirmation(yes=False), _plan(pilot, action), name=environment.name, typed=typed)


def rows(count: int) -> str:
    return many(count, "row")


def dead_letters(count: int) -> str:
    return many(count, "dead letter")


def _plan(pilot: Pilot, action: str) -> list[str]:
    return [f"{action}:", f"  {pilot.environment}"]
