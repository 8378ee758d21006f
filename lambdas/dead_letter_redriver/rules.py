"""When a run is over whatever its letters do, and how long a letter rests that is not for it."""

from __future__ import annotations

from datetime import datetime

from b2bpilot.pipeline.deadletter import DeadLetter
from b2bpilot.pipeline.remote_run import RemoteRun

REST_SECONDS, LONGEST_REST_SECONDS = 10, 900
"""For how long a letter that is not for this run is hidden: at first, and when it came by again and again."""


def over_by_itself(run: RemoteRun | None, now: datetime) -> str:
    """Return why the run that the mapping is on for needs no batch to be over, or nothing."""
    if run is None:
        return "the mapping was enabled without a run"
    if run.ended:
        return run.ended
    return "its time is over" if now >= run.ends_at else ""


def rest_seconds(letter: DeadLetter) -> int:
    """Twice as long each time: thousands of letters that wait for the end must not keep the function busy."""
    doublings = min(max(letter.receive_count - 1, 0), 10)
    return int(min(REST_SECONDS * 2**doublings, LONGEST_REST_SECONDS))
