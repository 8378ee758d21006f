"""`b2bpilot completion`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from b2bpilot.advice import our_command
from b2bpilot.cli.completion.scripts import SCRIPTS
from b2bpilot.cli.completion.shells import Shell
from b2bpilot.cli.frame.commands import PilotGroup
from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.table import CommandPath, group
from b2bpilot.errors import UsageError

app = group(
    typer.Typer(
        cls=PilotGroup,
        rich_markup_mode=None,
        help="Let Tab complete commands, options and values in your shell.",
    ),
    {
        "install": CommandPath(f"{__name__}:install", "Set it up in your shell."),
        "uninstall": CommandPath(f"{__name__}:uninstall", "Undo what install did."),
        "show": CommandPath(f"{__name__}:show", "Print the script, to be installed by yourself."),
    },
)

Named = Annotated[
    Shell | None, typer.Argument(help="bash, zsh or fish.  [default: that of SHELL]", metavar="[SHELL]")
]


def install(ctx: typer.Context, shell: Named = None) -> None:
    """Set up completion in your shell: a script of its own and, for bash and zsh, a line in the file that the shell reads.

    Installed again, it only brings the script up to date.

    Example: b2bpilot completion install zsh
    """
    from b2bpilot.cli.completion.installed import place_of

    pilot = pilot_of(ctx)
    chosen = _shell(pilot, shell)
    place = place_of(chosen, pilot.environ)
    changed = place.write(SCRIPTS[chosen])
    wrote = [f"Wrote {path}" if path == place.script else f"Added a line to {path}" for path in changed]
    already = [f"It is installed already: {place.script}"]
    pilot.output.record(_fields(chosen, changed), text=wrote or already)
    pilot.output.notice(
        f"Start a new {chosen} to use it. Undo: " + our_command("completion", "uninstall", chosen)
    )


def uninstall(ctx: typer.Context, shell: Named = None) -> None:
    """Remove the script that `completion install` wrote, and its line.

    Example: b2bpilot completion uninstall zsh
    """
    from b2bpilot.cli.completion.installed import place_of

    pilot = pilot_of(ctx)
    chosen = _shell(pilot, shell)
    place = place_of(chosen, pilot.environ)
    changed = place.remove()
    undid = [f"Removed its line from {path}" if path.exists() else f"Removed {path}" for path in changed]
    nothing = [f"It is not installed: there is no {place.script}"]
    pilot.output.record(_fields(chosen, changed), text=undid or nothing)


def show(ctx: typer.Context, shell: Named = None) -> None:
    """Print the script that makes Tab ask b2bpilot.

    Example: b2bpilot completion show bash >/etc/bash_completion.d/b2bpilot
    """
    pilot = pilot_of(ctx)
    chosen = _shell(pilot, shell)
    pilot.output.record({"shell": chosen, "script": SCRIPTS[chosen]}, text=[])
    pilot.output.verbatim(SCRIPTS[chosen].splitlines())


def _fields(shell: Shell, changed: list[Path]) -> dict[str, object]:
    return {"shell": shell, "changed": [str(path) for path in changed]}


def _shell(pilot: Pilot, named: Shell | None) -> Shell:
    """Raises UsageError when nobody says which it is."""
    if named is not None:
        return named
    name = Path(pilot.environ.get("SHELL", "")).name
    if name in list(Shell):
        return Shell(name)
    raise UsageError(
        f"SHELL names {name or 'no shell'}, which is none of {', '.join(Shell)}",
        hint="name one: " + our_command("completion", "install", "bash"),
    )
