"""`--dry-run`: every command that has it shows its plan, and ends with the same words."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from b2bpilot.cli.app import program
from b2bpilot.cli.frame.options import DRY_RUN
from tests.cli.conftest import Run, Staging
from tests.cli.dlq.dead_letters import DeadLetters
from tests.events import message


def with_a_dry_run(group: Any = None) -> set[str]:
    """Return the modules of the commands that have it."""
    found: set[str] = set()
    for command in (group or program()).commands.values():
        if hasattr(command, "commands"):
            found |= with_a_dry_run(command)
        elif any(parameter.name == "dry_run" for parameter in command.params):
            found.add(command.callback.__module__)
    return found


SAYS = ("notice(DRY_RUN)", "show_dry_run(pilot")
HANDED_ON = {"redrive.py": ("redrive_run.py", "remote.py")}
"""Where what a command only parses is done."""


def test_each_command_with_a_dry_run_says_that_nothing_was_changed() -> None:
    paths = [Path(str(sys.modules[name].__file__)) for name in with_a_dry_run()]
    doing = [path.with_name(name) for path in paths for name in HANDED_ON.get(path.name, (path.name,))]
    assert len(doing) >= len(SAYS)
    assert [path.name for path in doing if not any(text in path.read_text() for text in SAYS)] == []


@pytest.mark.parametrize(
    ("typed", "plan"),
    [
        ("publish", "Publish 1 test message"),
        ("load --via topic", "1,000 test messages"),
        ("dlq discard", "Archive and delete 1 dead letter:\n  environment staging"),
        ("dlq discard --group G1", "Archive and delete 1 dead letter of group G1 (exception: no customer):"),
        ("dlq discard --error nothing", "No dead letters match"),
        ("dlq replay", "Process copies of 1 dead letter"),
        ("dlq restore letters.jsonl", "1 dead letter"),
        ("migrate", "Table: "),
    ],
)
def test_a_dry_run_shows_the_plan_and_ends_with_what_it_is(
    run: Run, staging: Staging, typed: str, plan: str
) -> None:
    letters = DeadLetters()
    letters.put(message())
    run("dlq", "export", "letters.jsonl", "-e", "staging")
    result = run(*typed.split(), "-e", "staging", "--dry-run")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (0, DRY_RUN)
    assert plan in result.stdout + result.stderr
    assert len(letters.all()) == 1
