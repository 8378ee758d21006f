"""Where a message without a row may still be: seen, not seen, or not asked."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from moto import mock_aws

from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.aws.session import AwsAccess
from b2bpilot.errors import AwsDenied
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.reconcile.queues import ask_queues, dead_letters, waiting
from tests.events import received
from tests.fakes.dead_letters import dead
from tests.fakes.faults import Fault, Faults
from tests.fakes.sqs import FakeQueue
from tests.ops.status.readings import STACK

PROCESSOR = "b2b-pilot-background-processor-staging"
FRESH = timedelta(minutes=5)


@pytest.fixture
def access() -> Iterator[AwsAccess]:
    with mock_aws():
        yield AwsAccess(region="eu-west-1", access_key_id="x", secret_access_key="y")


def waiting_now(access: AwsAccess, *, fresh_for: timedelta = FRESH) -> tuple[str, ...]:
    return waiting(access, PROCESSOR, now=datetime.now(UTC) + timedelta(minutes=1), fresh_for=fresh_for)


def put(access: AwsAccess, name: str, value: float, *, function: str = PROCESSOR) -> None:
    dimensions = [{"Name": "FunctionName", "Value": function}]
    datum = {"MetricName": name, "Dimensions": dimensions, "Value": value}
    access.client("cloudwatch").put_metric_data(Namespace="AWS/Lambda", MetricData=[datum])


def test_dead_letters_are_known_by_their_messages_and_stay_where_they_are() -> None:
    ids = {str(uuid.uuid4()), str(uuid.uuid4())}
    queue = FakeQueue([*(dead(message_id=each) for each in ids), received({"neither": "nor"})])

    found = dead_letters(queue, now=datetime.now(UTC))

    assert found.dead_letters == ids
    assert found.doubts == ()
    assert queue.sqs.hidden() == set()


def test_dead_letters_that_others_hold_are_a_doubt() -> None:
    queue = FakeQueue([dead()], counters_say=lambda _: Counters(visible=0, hidden=3, delayed=0))

    assert dead_letters(queue, now=datetime.now(UTC)).doubts == ("of about 3 dead letters, 1 was seen",)


def test_a_queue_that_may_not_be_asked_is_not_an_empty_one() -> None:
    queue = FakeQueue([dead()], faults=Faults.at(1, Fault.of(AwsDenied("AWS denied sqs:GetQueueAttributes"))))

    (doubt,) = dead_letters(queue, now=datetime.now(UTC)).doubts

    assert doubt == "the dead-letter queue was not asked: AWS denied sqs:GetQueueAttributes"


def test_a_processor_that_keeps_up_holds_nothing_back(access: AwsAccess) -> None:
    """Also where a run failed and waited for its next try."""
    put(access, "Throttles", 0)
    put(access, "AsyncEventAge", 183_000)

    assert waiting_now(access) == ()


def test_a_throttled_processor_may_hold_messages_back(access: AwsAccess) -> None:
    put(access, "Throttles", 1)

    (doubt,) = waiting_now(access)

    assert "throttled in the last 10 minutes" in doubt


def test_a_throttled_express_processor_is_told_as_itself(access: AwsAccess) -> None:
    put(access, "Throttles", 1, function="b2b-pilot-express-processor-prod")
    sqs = access.client("sqs")
    url = sqs.create_queue(QueueName="dead")["QueueUrl"]
    lane = {"express_function_name": "b2b-pilot-express-processor-prod", "dead_letter_queue_url": url}
    environment = Environment(name="prod", access=access, stack=replace(STACK, **lane))
    later = datetime.now(UTC) + timedelta(minutes=1)

    found = ask_queues(environment, now=later, fresh_for=FRESH)

    assert [one for one in found.doubts if "throttled" in one] == [
        "the express processor was throttled in the last 10 minutes: Lambda may still hold messages"
    ]


@pytest.mark.parametrize(("seconds", "fresh_for"), [(301, FRESH), (61, timedelta())])
def test_what_waits_longer_than_what_is_fresh_may_be_judged_missing(
    access: AwsAccess, seconds: int, fresh_for: timedelta
) -> None:
    put(access, "AsyncEventAge", seconds * 1000)

    (doubt,) = waiting_now(access, fresh_for=fresh_for)

    assert f"one for {seconds} s" in doubt


def test_a_cloudwatch_that_does_not_answer_is_a_doubt() -> None:
    nowhere = AwsAccess(
        region="eu-west-1", access_key_id="x", secret_access_key="y", endpoint_url="http://127.0.0.1:9"
    )

    (doubt,) = waiting_now(nowhere)

    assert doubt.startswith("whether messages wait in Lambda's queue was not asked: ")
