"""The commands that docs/proof.md gives for what nobody could check here: each is taken by the command line as it stands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import REGION, Run
from tests.clock import StillClock

PROOF = Path(__file__).parents[2] / "docs" / "proof.md"
SECTION = PROOF.read_text().partition("## What nobody could check here")[2]
ROWS = [line.split(" | ") for line in SECTION.splitlines() if line.startswith("| ")]
COMMANDS = [row[2].strip("`") for row in ROWS if row[2].startswith("`")]
BESIDE = re.findall(r"`((?:inspect|logs|publish|submissions|dlq|status|verify) [^`]*-e [^`]*)`", SECTION)
"""Those that a row names in passing."""


def test_the_list_is_about_twilio_and_about_aws_and_each_line_has_its_command() -> None:
    assert len(COMMANDS) == len(ROWS) - 2  # the two headings
    assert len(COMMANDS) > 40
    assert all(len(row) == 4 for row in ROWS)


@pytest.mark.parametrize(
    "command", list(dict.fromkeys([*COMMANDS, *(f"b2bpilot {each}" for each in BESIDE)]))
)
def test_each_command_is_taken_as_it_stands(
    run: Run, aws: None, clock: StillClock, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An account without the stack: a command whose words are right gets as far as asking for it."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    name, *arguments = shlex.split(command)

    found = run(*arguments)

    assert name == "b2bpilot"
    assert re.search(
        r"there is no environment '(prod|dev|gov)'|b2b-pilot-(prod|dev|gov)", found.stdout + found.stderr
    ), found
