"""Asking before something is changed."""

from __future__ import annotations

import contextlib
import termios
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from b2bpilot.advice import Words
from b2bpilot.cli.output import Line, Output
from b2bpilot.errors import NotConfirmed


def answer(question: str, *, stdin: TextIO, output: Output) -> str:
    """Ask, and return the line that is typed then; what was typed before the question was there is no answer to it.

    What is said next begins a line of its own, also after Ctrl-C and Ctrl-D.
    """
    typed = ""
    _forget_typed_ahead(stdin)
    try:
        output.ask(question)
        typed = stdin.readline()
    finally:
        if not typed.endswith("\n"):
            output.notice("")
    return typed.strip()


def _forget_typed_ahead(stdin: TextIO) -> None:
    with contextlib.suppress(termios.error, OSError, ValueError):
        termios.tcflush(stdin, termios.TCIFLUSH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """How this run can be confirmed: by `--yes`, or by a person at a terminal."""

    stdin: TextIO
    output: Output
    yes: bool

    def ask(self, plan: Sequence[Words | Line], question: str) -> None:
        """Show the plan and return when it is confirmed. Raises Refused."""
        for line in plan:
            self.output.notice(line)
        if self.yes:
            return
        if not (self.stdin.isatty() and self.output.stderr.isatty()):
            raise NotConfirmed(
                "not confirmed: there is no terminal to confirm at", hint="run it again with --yes"
            )
        typed = answer(f"{question} [y/N] ", stdin=self.stdin, output=self.output)
        if typed.lower() not in ("y", "yes"):
            raise NotConfirmed("not confirmed")
