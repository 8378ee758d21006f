"""How many of what, in words that are right for one, too."""

from __future__ import annotations


def many(count: int, one: str, several: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else several or one + 's'}"
