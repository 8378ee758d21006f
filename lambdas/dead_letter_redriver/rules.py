"""When a run is over whatever its dead letters do, and how long a dead letter rests that is not for it."""

from __future__ import annotations

from datetime import datetime

from b2bpilot.pipeline.remote_run import RemoteRun

REST_SECONDS, LONGEST_REST_SECONDS = 10, 900
"""For how long a dead letter that is not for this run is hidden: at first, and in a run that lasts."""


def over_by_itself(run: RemoteRun | None, now: datetime) -> str:
    """Return why the run that the mapping is on for needs no batch to be over, or nothing."""
    if run is None:
        return "the mapping was enabled without a run"
    if run.ended:
        return run.ended
    return "its time is over" if now >= run.ends_at else ""


def rest_seconds(run: RemoteRun, now: datetime) -> int:
    """Half as long as the run lasts so far: thousands of dead letters that wait for its end must not keep the function busy, and
    after a short run none may be out of sight for long."""
    lasted = (now - run.started_at).total_seconds()
    return int(min(max(lasted / 2, REST_SECONDS), LONGEST_REST_SECONDS))
