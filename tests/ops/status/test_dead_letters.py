"""Dead letters as the status counts them: looked at, given back, and not moved on."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto import mock_aws

from b2bpilot.aws.queue import DeadLetterQueue
from b2bpilot.aws.session import AwsAccess
from b2bpilot.ops.status import dead_letters as status_dead_letters
from b2bpilot.ops.status.dead_letters import DeadLetters, dead_letters

DAY = timedelta(days=1)


@pytest.fixture
def sqs() -> Iterator[Any]:
    with mock_aws():
        yield AwsAccess(region="eu-west-1", access_key_id="x", secret_access_key="y").client("sqs")


def queue_of(sqs: Any, *bodies: str, **attributes: str) -> DeadLetterQueue:
    url = sqs.create_queue(QueueName="letters", Attributes={"MessageRetentionPeriod": "345600"} | attributes)
    for body in bodies:
        sqs.send_message(QueueUrl=url["QueueUrl"], MessageBody=body)
    return DeadLetterQueue(sqs, url["QueueUrl"])


def read(queue: DeadLetterQueue, *, wants_look: bool = True, now: datetime | None = None) -> DeadLetters:
    return dead_letters(queue, wants_look=wants_look, now=now or datetime.now(UTC), stop=threading.Event())


def visible(sqs: Any, queue: DeadLetterQueue) -> int:
    found = sqs.get_queue_attributes(QueueUrl=queue.url, AttributeNames=["ApproximateNumberOfMessages"])
    return int(found["Attributes"]["ApproximateNumberOfMessages"])


def test_an_empty_queue_needs_no_look(sqs: Any) -> None:
    found = read(queue_of(sqs))
    assert (found.depth, found.look and found.look.saw) == (0, 0)


def test_dead_letters_that_sqs_deletes_within_two_days_are_counted(sqs: Any) -> None:
    queue = queue_of(sqs, "one", "two")
    look = read(queue).look
    assert look is not None
    assert (look.saw, look.expiring, look.is_complete) == (2, 0, True)
    later = read(queue, now=datetime.now(UTC) + 2.5 * DAY).look
    assert later is not None
    assert later.expiring == 2


def test_every_dead_letter_is_visible_again_after_a_look(sqs: Any) -> None:
    queue = queue_of(sqs, *(str(number) for number in range(25)))
    read(queue)
    assert visible(sqs, queue) == 25


def test_a_look_that_takes_too_long_ends_incomplete_and_gives_all_back(
    sqs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_dead_letters, "LOOK_SECONDS", -1.0)
    queue = queue_of(sqs, *(str(number) for number in range(25)))
    look = read(queue).look
    assert look is not None
    assert look.saw < 25
    assert not look.is_complete
    assert visible(sqs, queue) == 25


def test_without_a_look_the_counters_stay_and_the_age_is_unknown(sqs: Any) -> None:
    found = read(queue_of(sqs, "one"), wants_look=False)
    assert (found.depth, found.look, found.no_look) == (1, None, "not looked at")


def test_a_queue_that_would_move_what_is_received_is_not_looked_at(sqs: Any) -> None:
    target = sqs.create_queue(QueueName="second")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=target, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "1"})
    found = read(queue_of(sqs, "one", RedrivePolicy=policy))
    assert (found.depth, found.look) == (1, None)
    assert "would move dead letters on" in str(found.no_look)
