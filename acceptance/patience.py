"""Waiting for what takes its time: looked at again and again, until it is there or the patience is over."""

from __future__ import annotations

import time
from collections.abc import Callable

from acceptance.outcome import require
from acceptance.trial import Trial
from b2bpilot.cli.text.durations import parse_duration

PAUSE_SECONDS = 2.0


def wait_until(trial: Trial, look: Callable[[], object], wanted: object, what: str, *, about: str) -> None:
    """Return once `look` gives what is `wanted`. Raises StepFailed, which names the message it is `about`."""
    deadline = time.monotonic() + parse_duration(trial.patience, "--patience").total_seconds()
    hint = trial.commands.typed("inspect", about)
    while (saw := look()) != wanted:
        require(time.monotonic() < deadline, f"{what} after {trial.patience}", saw=saw, hint=hint)
        time.sleep(PAUSE_SECONDS)
