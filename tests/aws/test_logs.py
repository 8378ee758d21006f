"""Reading a function's log."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from b2bpilot.aws.logs import LogGroup
from b2bpilot.aws.session import AwsAccess
from b2bpilot.errors import AwsError
from tests.aws.conftest import REGION

MINUTE = timedelta(minutes=1)


def test_only_the_lines_with_the_text_are_returned_oldest_first(access: AwsAccess) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    client = boto3.client("logs", region_name=REGION)
    client.create_log_group(logGroupName="/aws/lambda/f")
    client.create_log_stream(logGroupName="/aws/lambda/f", logStreamName="one")
    lines = [json.dumps({"requestId": f"request-{n % 2}", "n": n}) for n in range(4)]
    client.put_log_events(
        logGroupName="/aws/lambda/f",
        logStreamName="one",
        logEvents=[
            {"timestamp": int(now.timestamp() * 1000) + n, "message": text} for n, text in enumerate(lines)
        ],
    )
    found = LogGroup.of_function("f", access=access).lines_with(
        "request-1", since=now - MINUTE, until=now + MINUTE, limit=10
    )

    assert [(line.at, line.text) for line in found] == [
        (now + timedelta(milliseconds=n), lines[n]) for n in (1, 3)
    ]


def test_a_group_that_is_not_there_is_named(access: AwsAccess) -> None:
    with pytest.raises(AwsError, match="logs:FilterLogEvents on /aws/lambda/f failed: ResourceNotFound"):
        LogGroup.of_function("f", access=access).lines_with(
            "x", since=datetime.now(UTC) - MINUTE, until=datetime.now(UTC), limit=1
        )
