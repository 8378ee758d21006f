"""The options and questions that `dlq discard`, `restore` and `edit` share."""

from __future__ import annotations

from typing import Annotated

import typer

from b2bpilot.cli.frame.confirm_name import ask_for_name
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.plural import many

DRY_RUN = Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")]
REASON = Annotated[
    str | None, typer.Option("--reason", help="Why; it is recorded in the run's journal.", metavar="TEXT")
]
YES = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
CONFIRM = Annotated[
    str | None,
    typer.Option(
        "--confirm",
        help="The environment's name, where --yes is not enough: without a filter, and in production.",
        metavar="NAME",
    ),
]


ADOPT = Annotated[
    list[str] | None,
    typer.Option(
        "--adopt",
        help="Take the dead letters of this subscription, which is gone, for the processor's; may be given again.",
        metavar="ARN",
    ),
]


def confirm(pilot: Pilot, action: str, *, yes: bool) -> None:
    """Name the environment and ask. Raises Refused."""
    pilot.confirmation(yes=yes).ask(_plan(pilot, action), "Go on?")


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
