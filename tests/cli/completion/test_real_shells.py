"""Tab pressed in shells of this machine, set up by `completion install`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.terminal import ROOT, a_process_at_a_terminal
from tests.programs import needs

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


@pytest.mark.parametrize("name", [pytest.param(name, marks=needs(name)) for name in SHELLS])
def test_tab_completes_commands_options_joined_values_and_files(run: Run, tmp_path: Path, name: str) -> None:
    run("completion", "install", name)
    Path("messages.jsonl").write_text("")

    with a_process_at_a_terminal(SHELLS[name], environment=settings(tmp_path)) as session:
        session.type("b2bpilot pub\t--via=w\t--env \t--file mess\t--count 5\r")
        session.wait_for("called: publish --via=webhook --env local --file messages.jsonl --count 5")


@needs("fish")
def test_fish_is_offered_values_with_what_they_mean(run: Run, tmp_path: Path) -> None:
    run("completion", "install", "fish")

    done = subprocess.run(
        ["fish", "-c", "complete -C 'b2bpilot dlq red'"],
        env=settings(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "redrive\tSend dead letters back, and prove what became of them.\n"
