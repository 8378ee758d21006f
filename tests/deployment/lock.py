"""The lists of packages with their hashes, as `make lock` writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_PIN = re.compile(r"^([a-z0-9][a-z0-9-]*)==([^ ;]+)")


def pins(lock: Path) -> dict[str, str]:
    """The version of each package, by its normalized name."""
    return dict(match.groups() for line in lock.read_text().splitlines() if (match := _PIN.match(line)))  # type: ignore[misc]


def entries(lock: Path) -> Iterator[str]:
    """Each package's lines, comments left out."""
    lines = [line for line in lock.read_text().splitlines() if not line.lstrip().startswith("#")]
    yield from re.split(r"\n(?=\S)", "\n".join(lines))
