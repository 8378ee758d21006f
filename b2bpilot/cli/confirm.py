"""Asking before something is changed."""

from __future__ import annotations

import contextlib
import termios
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from b2bpilot.cli.output import Output
from b2bpilot.errors import Refused


def forget_typed_ahead(stdin: TextIO) -> None:
    """What was typed before the question was there is no answer to it."""
    with contextlib.suppress(termios.error, OSError, ValueError):
        termios.tcflush(stdin, termios.TCIFLUSH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """How this run can be confirmed: by `--yes`, or by a person at a terminal."""

    stdin: TextIO
    output: Output
    yes: bool

    def ask(self, plan: Sequence[str], question: str) -> None:
        """Show the plan and return when it is confirmed. Raises Refused."""
        for line in plan:
            self.output.notice(line)
        if self.yes:
            return
        if not (self.stdin.isatty() and self.output.stderr.isatty()):
            raise Refused(
                "not confirmed: there is no terminal to ask at. Nothing was changed",
                hint="run it again with --yes",
            )
        self.output.ask(f"{question} [y/N] ")
        forget_typed_ahead(self.stdin)
        if self.stdin.readline().strip().lower() not in ("y", "yes"):
            raise Refused("not confirmed. Nothing was changed")
