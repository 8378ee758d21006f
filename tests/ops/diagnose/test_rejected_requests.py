"""Refused requests as evidence: what was a probe speaks for nothing, and a real one is never taken for it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from moto import mock_aws

from b2bpilot.aws.metrics import Metric, Point
from b2bpilot.ops.diagnose.evidence import REJECTED
from b2bpilot.ops.rejections import PROBE_MESSAGE_ID
from b2bpilot.ops.verify.check import CheckResult, Status
from b2bpilot.ops.verify.runner import Runner
from tests.ops.verify.deployments import NOW, STACK, deployment

GROUP = f"/aws/lambda/{STACK.webhook_function_name}"
PROBE, TWILIO_S = PROBE_MESSAGE_ID, "5b6c9b4e-0000-5000-8000-000000000001"


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    with mock_aws():
        yield


def judged(*, counted: int, logged: list[str | None] | None) -> CheckResult:
    """CloudWatch counts so many; the log names these message ids, or is not there."""
    metric = Metric(namespace="B2BPilot/staging", name="WebhookRejected")
    at = deployment(known={"our metrics": {metric: [Point(at=NOW, value=counted)]}})
    if logged is not None:
        logs = at.client("logs")
        logs.create_log_group(logGroupName=GROUP)
        logs.create_log_stream(logGroupName=GROUP, logStreamName="1")
        lines = [
            {
                "timestamp": int(NOW.timestamp() * 1000),
                "message": json.dumps({"event": "rejected", "message_id": one}),
            }
            for one in logged
        ]
        logs.put_log_events(logGroupName=GROUP, logStreamName="1", logEvents=lines)
    (found,) = Runner([REJECTED], check_seconds=10).run(at)
    return found


def test_a_probe_alone_is_no_cause() -> None:
    found = judged(counted=2, logged=[PROBE, PROBE])

    assert (found.status, found.seen) == (Status.OK, "2 in the last day, all b2bpilot's own probes")


def test_one_real_rejection_among_probes_is_found() -> None:
    found = judged(counted=3, logged=[PROBE, TWILIO_S, PROBE])

    assert found.status is Status.WARNING
    assert found.seen.startswith("1 request refused in the last day, besides 2 of b2bpilot's own probes;")


def test_a_rejection_that_claims_no_message_is_real() -> None:
    assert judged(counted=1, logged=[None]).status is Status.WARNING


def test_more_than_the_log_shows_is_unknown_not_a_probe() -> None:
    found = judged(counted=2, logged=[PROBE])

    assert found.status is Status.SKIPPED
    assert "CloudWatch counts 2 requests in the last day; the log shows 1" in found.seen


def test_without_the_log_it_is_unknown() -> None:
    found = judged(counted=1, logged=None)

    assert found.status is Status.SKIPPED
    assert "cannot be told" in found.seen
