"""docs/proof.md names each command, and only tests that there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from b2bpilot.cli.app import program

TESTS = Path(__file__).parent
PROOF = TESTS.parent / "docs" / "proof.md"
WITHOUT = frozenset({"demo", "local up", "local down", "local status"}) | {
    *("explain", "config show", "completion install", "completion show", "completion uninstall")
}
"""They are the local environment's own, or ask nobody but this machine."""


def commands(command: Any, names: tuple[str, ...] = ()) -> Iterator[str]:
    inner = getattr(command, "commands", {})
    if not inner or getattr(command, "invoke_without_command", False):
        yield " ".join(names)
    for name, each in inner.items():
        yield from commands(each, (*names, name))


def test_every_command_has_a_line_in_the_table_of_what_it_believes() -> None:
    named = set(re.findall(r"^\| `([a-z ]+)` \|", PROOF.read_text(), re.MULTILINE))
    assert named == set(commands(program())) - WITHOUT - {""}


def test_every_test_that_is_named_there_exists() -> None:
    there = {
        name for path in TESTS.rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    assert set(re.findall(r"`(test_\w+)`", PROOF.read_text())) - there == set()
