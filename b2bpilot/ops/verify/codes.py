"""The checks' codes and categories, for who needs no more of them: the catalogue itself takes a second to load."""

from __future__ import annotations

from pathlib import Path

LIST = Path(__file__).with_name("checks.txt")
"""A check a line: code, category, what it checks. Made by `make docs`."""


def codes() -> dict[str, str]:
    """Return what each code checks."""
    return {code: statement for code, _, statement in _lines()}


def categories() -> list[str]:
    """Return them in the order in which they are shown."""
    return list(dict.fromkeys(category for _, category, _ in _lines()))


def _lines() -> list[list[str]]:
    return [line.split("\t") for line in LIST.read_text(encoding="utf-8").splitlines()]
