"""The command line as a person uses it: one process a command, its JSON, its exit code."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from acceptance.outcome import StepFailed

DONE = frozenset({0})

Execute = Callable[[Sequence[str], Mapping[str, str]], tuple[int, str]]
"""Runs a command line with variables beside the shell's; gives its exit code and its stdout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command ended with."""

    command: str
    exit_code: int
    document: Mapping[str, Any]

    @property
    def error(self) -> Mapping[str, Any]:
        return self.document.get("error") or {}


def in_a_process(arguments: Sequence[str], more: Mapping[str, str]) -> tuple[int, str]:
    """In a process group of its own: Ctrl-C reaches it once, through us, and it ends what it began."""
    with subprocess.Popen(  # noqa: S603  # nosec B603  # our own program
        [sys.executable, "-m", "b2bpilot", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | dict(more),
        process_group=0,
    ) as process:
        try:
            stdout, _ = process.communicate()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.communicate()
            raise
        return process.returncode, stdout


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLine:
    """Runs commands against one environment. `options` are global ones, which every command gets."""

    options: Mapping[str, str] = field(repr=False)
    execute: Execute = in_a_process

    def run(self, *words: str, ok: Collection[int] = DONE, more: Mapping[str, str] | None = None) -> Said:
        """Return what it said. Raises StepFailed where its exit code is none of `ok`; `more` are variables."""
        said = self.ask(*words, more=more)
        if said.exit_code in ok:
            return said
        why = said.error.get("message") or "it said no error"
        hint = said.error.get("hint") or f"run it again with --verbose: {said.command} --verbose"
        raise StepFailed(f"{said.command} ended with {said.exit_code}: {why}", hint=str(hint))

    def ask(self, *words: str, more: Mapping[str, str] | None = None) -> Said:
        """Return what it said, whatever its exit code."""
        options = [part for option in self.options.items() for part in option]
        exit_code, stdout = self.execute([*words, *options, "-o", "json"], more or {})
        return Said(command=self.typed(*words), exit_code=exit_code, document=_document(stdout))

    def typed(self, *words: str) -> str:
        """The command as a person types it, without a database's URL, which may hold a password."""
        shown = [
            part for flag, value in self.options.items() if flag != "--database-url" for part in (flag, value)
        ]
        return shlex.join(["b2bpilot", *words, *shown])


def _document(stdout: str) -> Mapping[str, Any]:
    try:
        found = json.loads(stdout)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
