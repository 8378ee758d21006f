"""References to what a reader doesn't have: documents that the repository doesn't hold."""

from __future__ import annotations

import re
from collections.abc import Mapping

_ABSENT = re.compile(r"\bfacts [A-K]\d*\b|\bdesign \d+\b|(?<![-\w])(?:facts|design)\.md\b")
"""Numbered notes from before there was docs/aws-facts.md."""


def absent(files: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return path and text of each."""
    return [(path, found) for path, text in files.items() for found in _ABSENT.findall(text)]
