"""Waiting for what takes its time: looked at again and again, until it is there or the patience is over."""

from __future__ import annotations

from collections.abc import Callable

from acceptance.outcome import require
from acceptance.trial import Trial
from b2bpilot.cli.text.durations import parse_duration
from b2bpilot.pipeline.waiting import wait_until

PAUSE_SECONDS = 2.0
"""Each look is a command of its own: neither the queue nor the table tells anybody that something came or went."""


def require_in_time(
    trial: Trial, look: Callable[[], object], wanted: object, what: str, *, about: str
) -> None:
    """Return once `look` gives what is `wanted`. Raises StepFailed, which names the message it is `about`."""
    seconds = parse_duration(trial.patience, "--patience").total_seconds()
    saw = wait_until(look, enough=lambda seen: seen == wanted, seconds=seconds, pause_seconds=PAUSE_SECONDS)
    hint = trial.commands.typed("inspect", about)
    require(saw == wanted, f"{what} after {trial.patience}", saw=saw, hint=hint)
