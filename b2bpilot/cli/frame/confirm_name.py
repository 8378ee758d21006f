"""Asking for the environment's name before something that concerns all of it."""

from __future__ import annotations

from collections.abc import Sequence

from b2bpilot.cli.frame.confirm import Confirmation, answer
from b2bpilot.errors import Refused


def ask_for_name(confirmation: Confirmation, plan: Sequence[str], *, name: str, typed: str | None) -> None:
    """Show the plan and return when the name was typed, there or as an option; `--yes` does not answer it. Raises Refused."""
    output = confirmation.output
    for line in plan:
        output.notice(line)
    if typed is None and confirmation.stdin.isatty() and output.stderr.isatty():
        question = f"Type the environment's name ({name}) to continue: "
        typed = answer(question, stdin=confirmation.stdin, output=output)
    if typed is None:
        raise Refused(
            "not confirmed: this needs the environment's name typed",
            hint=f"run it again with --confirm {name}",
        )
    if typed != name:
        raise Refused(f"not confirmed: {typed!r} is not {name!r}")
