"""Shares as options take them."""

from __future__ import annotations

from b2bpilot.errors import UsageError


def parse_percent(text: str, option: str) -> float:
    """Return `20%` or `20` as 0.2. Raises UsageError."""
    try:
        percent = float(text.strip().removesuffix("%"))
    except ValueError as exc:
        raise UsageError(f"{option}: {text!r} is not a percentage") from exc
    if not 0 <= percent <= 100:  # noqa: PLR2004
        raise UsageError(f"{option}: {text!r} is not between 0 and 100 percent")
    return percent / 100
