"""Tab pressed in shells of this machine, set up by `completion install`."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.terminal import ROOT, Session

SHELLS = {"bash": ["bash", "--noprofile", "-i"], "zsh": ["zsh", "-i"]}


def settings(folder: Path) -> dict[str, str]:
    """A shell's variables, in which `b2bpilot` completes as this checkout's, and else says what it was called with."""
    program = folder / "bin/b2bpilot"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\n[ -z "$_B2BPILOT_COMPLETE" ] || exec {sys.executable} -m b2bpilot\necho "called: $*"\n'
    )
    program.chmod(0o755)
    path = f"{program.parent}:/usr/bin:/bin"
    return {"PATH": path, "HOME": str(Path.home()), "PYTHONPATH": str(ROOT), "TERM": "dumb", "PS1": "> "}


@contextmanager
def shell(name: str, environment: dict[str, str]) -> Iterator[Session]:
    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen(
            SHELLS[name], stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
        ) as process:
            os.close(theirs)
            try:
                yield Session(process, ours)
            finally:
                process.kill()
    finally:
        os.close(ours)


@pytest.mark.parametrize("name", SHELLS)
def test_tab_completes_commands_options_joined_values_and_files(run: Run, tmp_path: Path, name: str) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"there is no {name} on this machine")
    run("completion", "install", name)
    Path("messages.jsonl").write_text("")

    with shell(name, settings(tmp_path)) as session:
        session.type("b2bpilot pub\t--via=w\t--env \t--file mess\t--count 5\r")
        session.wait_for("called: publish --via=webhook --env local --file messages.jsonl --count 5")


def test_fish_is_offered_values_with_what_they_mean(run: Run, tmp_path: Path) -> None:
    if shutil.which("fish") is None:
        pytest.skip("there is no fish on this machine")
    run("completion", "install", "fish")

    done = subprocess.run(
        ["fish", "-c", "complete -C 'b2bpilot dlq red'"],
        env=settings(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "redrive\tSend dead letters back, and prove what became of them.\n"
