"""What the processor's reports say of its memory, and what they do not say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pytest
from moto import mock_aws

from b2bpilot.ops.verify.check import CheckResult, Status
from b2bpilot.ops.verify.deployment import Deployment
from tests.ops.verify.deployments import NOW, STACK, deployment, look, seen
from tests.ops.verify.settings import function

PROCESSOR = STACK.processor_function_name
GROUP = f"/aws/lambda/{PROCESSOR}"


@pytest.fixture
def staging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    with mock_aws():
        yield deployment(known={("function", PROCESSOR): function(PROCESSOR)})


def reported(staging: Deployment, reports: Sequence[object]) -> CheckResult:
    logs = staging.client("logs")
    logs.create_log_group(logGroupName=GROUP)
    logs.create_log_stream(logGroupName=GROUP, logStreamName="1")
    at = int(NOW.timestamp() * 1000) - 60_000
    lines = [{"timestamp": at, "message": json.dumps(report)} for report in reports]
    if lines:
        logs.put_log_events(logGroupName=GROUP, logStreamName="1", logEvents=lines)
    return seen("B2B053", staging)


def report(**metrics: int) -> dict[str, object]:
    return {"type": "platform.report", "record": {"metrics": metrics}}


def test_the_run_that_used_most_decides(staging: Deployment) -> None:
    result = reported(staging, [report(maxMemoryUsedMB=90), report(maxMemoryUsedMB=409)])
    assert (result.status, result.seen) == (
        Status.OK,
        "the processor used at most 409 of 512 MB in the last hour",
    )


def test_more_than_four_fifths_is_too_much_and_doubled(staging: Deployment) -> None:
    result = reported(staging, [report(maxMemoryUsedMB=410)])
    assert result.status is Status.WARNING
    assert result.fix == (
        f"aws --region eu-west-1 lambda update-function-configuration --function-name {PROCESSOR} "
        "--memory-size 1024"
    )


def test_reports_that_do_not_say_it_are_no_answer(staging: Deployment) -> None:
    result = reported(staging, [report(memorySizeMB=512), "platform.report", {"type": "platform.report"}])
    assert (result.status, result.seen) == (
        Status.SKIPPED,
        "the 3 reports of the last hour do not say how much was used",
    )


def test_without_runs_nothing_was_used(staging: Deployment) -> None:
    assert reported(staging, []).seen == "512 MB; no run in the last hour"


def test_a_topic_without_a_function_is_not_said_to_have_delivered_everything() -> None:
    found = look(["B2B033", "B2B038"], deployment(known={"subscriptions": []}))

    assert (found["B2B033"].status, found["B2B038"].status) == (Status.FAILED, Status.SKIPPED)
    assert found["B2B038"].seen == "needs B2B033"
