"""What SNS does with a message for a queue: it is delivered, or a dead letter of the subscription, or gone, and counted."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.local.conftest import SNS_MAY_SEND, Machine
from tests.local.polling import eventually


class Delivery:
    """A topic, a queue that subscribes it, and the subscription's dead-letter queue. Nobody may send to a closed one."""

    def __init__(self, machine: Machine, *, raw: bool, closed: frozenset[str]) -> None:
        self._sqs, self._sns = machine.client("sqs"), machine.client("sns")
        self._cloudwatch = machine.client("cloudwatch")
        self.name = f"t-{uuid.uuid4().hex[:8]}"
        self.topic_arn = self._sns.create_topic(Name=self.name)["TopicArn"]
        self.urls = {
            kind: self._queue(kind, is_open=kind not in closed) for kind in ("queue", "dead-letters")
        }
        policy = {"deadLetterTargetArn": self._arn("dead-letters")}
        attributes = {"RedrivePolicy": json.dumps(policy), "RawMessageDelivery": str(raw).lower()}
        self.subscription_arn = self._sns.subscribe(
            TopicArn=self.topic_arn,
            Protocol="sqs",
            Endpoint=self._arn("queue"),
            Attributes=attributes,
            ReturnSubscriptionArn=True,
        )["SubscriptionArn"]
        if "deleted" in closed:
            self._sqs.delete_queue(QueueUrl=self.urls.pop("queue"))

    def _queue(self, kind: str, *, is_open: bool) -> str:
        attributes = {"Policy": SNS_MAY_SEND} if is_open else {}
        return str(self._sqs.create_queue(QueueName=f"{self.name}-{kind}", Attributes=attributes)["QueueUrl"])

    def _arn(self, kind: str) -> str:
        found = self._sqs.get_queue_attributes(QueueUrl=self.urls[kind], AttributeNames=["QueueArn"])
        return str(found["Attributes"]["QueueArn"])

    def publish(self, *, attributes: int) -> None:
        values = {f"a{n}": {"DataType": "Number", "StringValue": str(n)} for n in range(attributes)}
        self._sns.publish(TopicArn=self.topic_arn, Message="Hello", MessageAttributes=values)

    def received(self) -> dict[str, dict[str, Any]]:
        """What lies in the queues, by kind."""
        found = {
            kind: self._sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages", [])
            for kind, url in self.urls.items()
        }
        return {kind: messages[0] for kind, messages in found.items() if messages}

    def counts(self) -> Counter[str]:
        now = datetime.now(UTC)
        found: Counter[str] = Counter()
        for outcome in ("Delivered", "Failed", "RedrivenToDlq", "FailedToRedriveToDlq"):
            points = self._cloudwatch.get_metric_statistics(
                Namespace="AWS/SNS",
                MetricName=f"NumberOfNotifications{outcome}",
                Dimensions=[{"Name": "TopicName", "Value": self.name}],
                StartTime=now - timedelta(minutes=10),
                EndTime=now + timedelta(minutes=10),
                Period=3600,
                Statistics=["Sum"],
            )["Datapoints"]
            found[outcome] += int(sum(point["Sum"] for point in points))
        return +found


REDRIVEN = {"Failed": 1, "RedrivenToDlq": 1}
LOST = {"Failed": 1, "FailedToRedriveToDlq": 1}


@pytest.mark.parametrize(
    ("closed", "raw", "attributes", "lies_in", "counted"),
    [
        ((), False, 11, "queue", {"Delivered": 1}),
        ((), True, 10, "queue", {"Delivered": 1}),
        ((), True, 11, None, LOST),
        (("queue",), False, 2, "dead-letters", REDRIVEN),
        (("queue",), True, 2, "dead-letters", REDRIVEN),
        (("deleted",), False, 2, "dead-letters", REDRIVEN),
        (("deleted", "dead-letters"), False, 2, None, LOST),
    ],
)  # fmt: skip
def test_a_message_is_delivered_or_a_dead_letter_or_gone(  # noqa: PLR0917
    environment: Machine,
    closed: tuple[str, ...],
    raw: bool,
    attributes: int,
    lies_in: str | None,
    counted: dict[str, int],
) -> None:
    delivery = Delivery(environment, raw=raw, closed=frozenset(closed))
    delivery.publish(attributes=attributes)
    eventually(lambda: delivery.counts() == counted, f"{counted}")
    received = delivery.received()
    assert list(received) == ([lies_in] if lies_in else [])
    if lies_in is None:
        return
    found = received[lies_in]
    if raw:
        assert found["Body"] == "Hello"
        assert len(found["MessageAttributes"]) == attributes
        return
    envelope = json.loads(found["Body"])
    assert envelope["MessageAttributes"]["a1"] == {"Type": "Number", "Value": "1"}
    assert len(envelope["MessageAttributes"]) == attributes
    assert envelope["UnsubscribeURL"].endswith(f"&SubscriptionArn={delivery.subscription_arn}")
    assert "MessageAttributes" not in found
