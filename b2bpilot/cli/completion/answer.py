"""Answering a shell that asks: never with an error, which would stand in the middle of the line that is being typed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from b2bpilot.cli.completion.offer import offer
from b2bpilot.cli.completion.scripts import SCRIPTS
from b2bpilot.cli.completion.shells import Shell, asked, told

if TYPE_CHECKING:
    from typer._click import Command as AnyCommand

    from b2bpilot.cli.frame.context import Pilot
else:
    AnyCommand = Any

NO_ANSWER = 1


def answer(
    program: AnyCommand, instruction: str, environ: Mapping[str, str], *, pilot: Pilot
) -> tuple[str, int]:
    """Return what is printed for `complete_SHELL` or `source_SHELL`, and the exit code."""
    what, _, name = instruction.partition("_")
    try:
        shell = Shell(name)
        if what == "source":
            return SCRIPTS[shell].rstrip("\n"), 0
        typed = asked(shell, environ)
        found = offer(program, typed.words, typed.incomplete, pilot=pilot)
    except Exception:  # noqa: BLE001  # whatever it is: the line that is being typed stays as it is
        return "", NO_ANSWER
    return told(shell, found, typed, environ)
