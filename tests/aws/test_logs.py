"""Reading a function's log."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import Stubber

from b2bpilot.aws.logs import FULL_PAGE, LogGroup, LogGroupMissing
from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.errors import AwsThrottled
from tests.aws.conftest import REGION
from tests.clock import StillClock

MINUTE = timedelta(minutes=1)
NOON = datetime(2026, 10, 9, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)


def test_only_the_lines_with_the_text_are_returned_oldest_first(access: AwsAccess) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    client = AwsAccess(region=REGION).client("logs")
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


def test_a_group_that_is_not_there_is_told_from_other_failures(access: AwsAccess) -> None:
    with pytest.raises(LogGroupMissing, match="log group /aws/lambda/f does not exist"):
        LogGroup.of_function("f", access=access).lines_with(
            "x", since=datetime.now(UTC) - MINUTE, until=datetime.now(UTC), limit=1
        )


class Scripted:
    """A log group whose answers are given."""

    def __init__(self) -> None:
        client = AwsAccess(region=REGION, access_key_id="a", secret_access_key="b").client(
            "logs", Timeouts(attempts=1)
        )
        self.stub = Stubber(client)
        self.stub.activate()
        self.group = LogGroup(client, "/aws/lambda/f", pauses=(1.0, 2.0))

    def answers(self, *events: tuple[str, int], token: str | None = None, **asked: Any) -> None:
        document: dict[str, Any] = {
            "events": [
                {"eventId": event_id, "timestamp": NOON_MS + at, "message": event_id}
                for event_id, at in events
            ]
        }
        request = {"logGroupName": "/aws/lambda/f", "startTime": NOON_MS, **asked}
        self.stub.add_response(
            "filter_log_events", document | ({"nextToken": token} if token else {}), request
        )

    def throttles(self) -> None:
        self.stub.add_client_error("filter_log_events", "ThrottlingException", "Rate exceeded")

    def read(self) -> list[str]:
        return [event.event_id for event in self.group.events(since=NOON)]


def test_all_pages_are_read_an_empty_one_between_them_too() -> None:
    log = Scripted()
    log.answers(("a", 1), token="one")
    log.answers(token="two", nextToken="one")
    log.answers(("b", 2), nextToken="two")
    assert log.read() == ["a", "b"]


def test_a_page_is_asked_for_when_it_is_needed() -> None:
    log = Scripted()
    log.answers(("a", 1), token="one")
    events = log.group.events(since=NOON)
    assert next(events).event_id == "a"
    log.stub.assert_no_pending_responses()


def test_a_throttled_call_is_tried_again_after_longer_and_longer_pauses(clock: StillClock) -> None:
    log = Scripted()
    log.throttles()
    log.throttles()
    log.answers(("a", 1))
    assert (log.read(), clock.pauses) == (["a"], [1.0, 2.0])


@pytest.mark.usefixtures("clock")
def test_throttling_without_an_end_is_an_error() -> None:
    log = Scripted()
    for _ in range(3):
        log.throttles()
    with pytest.raises(AwsThrottled):
        log.read()


def test_a_full_page_without_a_token_is_not_taken_for_the_end() -> None:
    """An emulator gives the first ten thousand and no token."""
    log = Scripted()
    first = [(f"e{n}", n // 2) for n in range(FULL_PAGE)]
    again = first[-2:]
    log.answers(*first)
    log.answers(*again, ("last", FULL_PAGE), startTime=NOON_MS + first[-1][1])
    assert log.read() == [*(event_id for event_id, _ in first), "last"]
