"""The lease of a local environment, whose clock of retries runs faster than AWS's."""

from __future__ import annotations

from typing import Final

from b2bpilot.pipeline.lease import LONGEST_LEASE, RETRY_PAUSES

LEAST_LEASE_SECONDS: Final = 0.8
"""No clock makes a run's statements and the call of its reply faster: on a busy machine they take tenths of a second."""


def lease_seconds(time_scale: float) -> float:
    """Return how long a lease is at a time scale."""
    return max(LONGEST_LEASE.total_seconds() / max(1, time_scale), LEAST_LEASE_SECONDS)


def lease_variable(time_scale: float) -> dict[str, str]:
    """Return what tells a function its longest lease, ours and a subscriber's alike."""
    return {"LONGEST_LEASE_SECONDS": f"{lease_seconds(time_scale):g}"}


def least_pause_seconds(time_scale: float) -> float:
    """Return what a retry waits for at least: as on AWS, a dead run's lease is over before."""
    return lease_seconds(time_scale) * (min(RETRY_PAUSES) / LONGEST_LEASE)
