"""Publishing messages: one or many, from fixtures or a file, and the proof by their rows."""

from b2bpilot.ops.publish.compose import TEST_PARAMS, Publisher, compose, publish
from b2bpilot.ops.publish.waiting import (
    ATTEMPTS,
    Submissions,
    Verdict,
    Waited,
    publish_and_wait,
    require_stored,
    wait_until_stored,
)

__all__ = [
    "ATTEMPTS",
    "TEST_PARAMS",
    "Publisher",
    "Submissions",
    "Verdict",
    "Waited",
    "compose",
    "publish",
    "publish_and_wait",
    "require_stored",
    "wait_until_stored",
]
