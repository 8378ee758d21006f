"""Waiting for what happens elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from urllib.error import URLError
from urllib.request import urlopen

from b2bpilot.pipeline.waiting import wait_until

PAUSE_SECONDS = 0.02
T = TypeVar("T")


def eventually(look: Callable[[], T], what: str, *, within: float = 60) -> T:
    """Return the first true value of `look`, or fail saying what did not happen. The limit only ends a test that has failed:
    a busy machine takes its time."""
    found = wait_until(look, seconds=within, pause_seconds=PAUSE_SECONDS)
    assert found, f"within {within} s: {what} did not happen; last seen: {found!r}"
    return found


def is_healthy(endpoint_url: str) -> bool:
    """Whether an emulator answers there."""
    try:
        with urlopen(f"{endpoint_url}/_ministack/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
