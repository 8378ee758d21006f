"""Requests that the webhook refused, told from `verify`'s own."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto import mock_aws

from b2bpilot.aws.logs import LogGroup
from b2bpilot.aws.session import AwsAccess
from b2bpilot.ops import rejections as module
from b2bpilot.ops.rejections import PROBE_MESSAGE_ID, Rejections, rejections

NOW = datetime.now(UTC)


def counted(*lines: dict[str, Any]) -> Rejections:
    with mock_aws():
        client = AwsAccess(region="eu-west-1").client("logs")
        client.create_log_group(logGroupName="webhook")
        client.create_log_stream(logGroupName="webhook", logStreamName="one")
        at = int(NOW.timestamp() * 1000)
        client.put_log_events(
            logGroupName="webhook",
            logStreamName="one",
            logEvents=[{"timestamp": at, "message": json.dumps(line)} for line in lines],
        )
        group = LogGroup(client, "webhook")
        return rejections(group, since=NOW - timedelta(hours=1), until=NOW + timedelta(hours=1))


def refused(message_id: str | None) -> dict[str, Any]:
    return {"event": "rejected", "message_id": message_id, "reason": "the signature does not match"}


def test_the_probe_is_told_from_what_others_sent() -> None:
    found = counted(refused(PROBE_MESSAGE_ID), refused(None), refused("another"), refused(PROBE_MESSAGE_ID))

    assert (found.others, found.probes, found.is_complete) == (2, 2, True)
    assert found.last is not None


def test_another_line_with_the_word_is_no_rejection() -> None:
    assert counted({"event": "published", "reason": "rejected"}).others == 0


def test_more_than_are_read_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LINES", 1)

    found = counted(refused(None), refused(None))

    assert (found.others, found.probes, found.is_complete) == (1, 0, False)
