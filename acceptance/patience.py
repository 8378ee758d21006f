"""Waiting for what takes its time: looked at again and again, until it is there or the patience is over."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from acceptance.outcome import require
from acceptance.trial import Trial
from b2bpilot.cli.text.durations import parse_duration

PAUSE_SECONDS = 2.0

Seen = TypeVar("Seen")


def last_look(look: Callable[[], Seen], is_enough: Callable[[Seen], bool], *, seconds: float) -> Seen:
    """Look until it is enough or the time is over, and return what was seen last. Each look is a command of its own: neither
    the queue nor the table tells anybody that something came or went."""
    deadline = time.monotonic() + seconds
    while not is_enough(seen := look()) and time.monotonic() < deadline:
        time.sleep(PAUSE_SECONDS)
    return seen


def wait_until(trial: Trial, look: Callable[[], object], wanted: object, what: str, *, about: str) -> None:
    """Return once `look` gives what is `wanted`. Raises StepFailed, which names the message it is `about`."""
    seconds = parse_duration(trial.patience, "--patience").total_seconds()
    saw = last_look(look, lambda seen: seen == wanted, seconds=seconds)
    hint = trial.commands.typed("inspect", about)
    require(saw == wanted, f"{what} after {trial.patience}", saw=saw, hint=hint)
