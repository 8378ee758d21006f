"""Waiting for what happens elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar
from urllib.error import URLError
from urllib.request import urlopen

T = TypeVar("T")


def eventually(look: Callable[[], T], what: str, *, within: float = 60) -> T:
    """Return the first true value of `look`, or fail saying what did not happen. The limit only ends a test that has failed:
    a busy machine takes its time."""
    deadline = time.monotonic() + within
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"within {within} s: {what} did not happen; last seen: {found!r}")
        time.sleep(0.02)
    return found


def is_healthy(endpoint_url: str) -> bool:
    """Whether an emulator answers there."""
    try:
        with urlopen(f"{endpoint_url}/_ministack/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
