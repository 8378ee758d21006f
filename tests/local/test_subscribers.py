"""Other teams' subscribers in the local environment: deployed from their folders, run in processes of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from b2bpilot.pipeline.message import encode
from tests.events import message
from tests.local.conftest import Subscribed
from tests.local.polling import eventually
from tests.local.subscriber_folders import TestSubscriber


@pytest.fixture(params=["analytics", "archive"])
def subscriber(request: pytest.FixtureRequest, subscribed: Subscribed) -> Iterator[TestSubscriber]:
    found: TestSubscriber = getattr(subscribed, request.param)
    yield found
    found.order.unlink(missing_ok=True)


def publish(subscribed: Subscribed, **attributes: Any) -> str:
    """Publish a message and return its id."""
    made = message()
    encoded = encode(made)
    subscribed.client("sns").publish(
        TopicArn=subscribed.stack_output("TopicArn"),
        Message=encoded.body,
        MessageAttributes={**encoded.attributes, **attributes},
    )
    return str(made.message_id)


def dead_letters(subscribed: Subscribed, name: str) -> list[dict[str, Any]]:
    sqs = subscribed.client("sqs")
    found = sqs.receive_message(
        QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"],
        MaxNumberOfMessages=10,
        MessageAttributeNames=["All"],
        VisibilityTimeout=0,
    )
    return list(found.get("Messages", []))


def test_each_subscriber_gets_a_message_once(subscribed: Subscribed) -> None:
    sent = publish(subscribed)
    for each in (subscribed.analytics, subscribed.archive):
        assert len(eventually(lambda each=each: each.got(sent), f"{sent} at {each.name}")) == 1


def test_a_subscribers_function_has_its_own_variables_and_none_of_ours(
    subscribed: Subscribed, subscriber: TestSubscriber
) -> None:
    sent = publish(subscribed)
    (line,) = eventually(lambda: subscriber.got(sent), "the message")
    environ = line["environ"]
    assert environ["DATABASE_URL"].startswith(f"postgresql://postgres@/subscriber-{subscriber.name}?")
    assert environ["AWS_LAMBDA_FUNCTION_NAME"] == f"{subscriber.name}-b2b-pilot-local"
    assert "poison" not in environ.values()
    assert subscribed.state.twilio_auth_token not in json.dumps(environ)
    assert not {"TWILIO_API_URL", "LONGEST_LEASE_SECONDS", "TWILIO_SECRET_ARN", "DATABASE_SECRET_ARN"} & set(
        environ
    )
    assert line["pid"] != subscribed.process.pid
