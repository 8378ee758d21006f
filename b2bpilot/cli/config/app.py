"""`b2bpilot config`."""

from __future__ import annotations

import typer

from b2bpilot.cli.frame.commands import PilotGroup
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.frame.table import CommandPath, group

app = group(
    typer.Typer(cls=PilotGroup, rich_markup_mode=None, help="See which setting was taken from where."),
    {"show": CommandPath(f"{__name__}:show", "Show each setting, where it is from, and what it wins over.")},
)


def show(ctx: typer.Context) -> None:
    """Show each global setting, where its value is from, and what it wins over. Passwords are blanked.

    It asks nobody. Exit code 2: a setting or a file cannot be used; then other commands refuse it, too.

    Example: b2bpilot config show -e prod
    """
    from b2bpilot.cli.config import settings_view

    pilot = ctx.obj
    assert isinstance(pilot, Pilot)  # noqa: S101  # nosec B101  # main() puts it there
    refused = pilot.settings_refused()
    settings_view.show(pilot)
    if refused:
        raise refused
