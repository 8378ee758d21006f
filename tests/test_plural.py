"""Counts in what people read: right for one, too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from b2bpilot.plural import many

SOURCES = sorted((Path(__file__).parent.parent / "b2bpilot").rglob("*.py"))
COUNTED = re.compile(
    r"\{(?:len\([^{}]*\)|[^{}]*):,\} (?:messages|rows|runs|requests|dead letters|calls|times|notifications|numbers|are|were|have)\b"
)
"""A formatted count with a plural that nothing fits to it."""


@pytest.mark.parametrize(
    ("count", "expected"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1_000, "1,000 rows")]
)
def test_one_is_not_several(count: int, expected: str) -> None:
    assert many(count, "row") == expected
    assert many(1, "message is", "messages are") == "1 message is"


def test_no_count_of_what_may_be_one_has_a_fixed_plural() -> None:
    """The first round read "1 messages"."""
    found = [
        f"{path.name}: {line.strip()}"
        for path in SOURCES
        for line in path.read_text().splitlines()
        if COUNTED.search(line) and " == 1 " not in line
    ]
    assert found == []
