"""Who is subscribed, found from the topic alone."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from moto import mock_aws

from b2bpilot.aws.session import AwsAccess
from b2bpilot.errors import Refused, UsageError
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.subscribers.discovery import (
    SubscriberKind,
    named,
    recipient_of,
    short_name,
    subscribers_of,
)
from tests.ops.status.readings import STACK

REGION = "eu-west-1"


class Team:
    """Somebody who subscribes to the topic of prod, with functions and queues of the names that `subscribers new` gives."""

    def __init__(self) -> None:
        self.access = AwsAccess(region=REGION, access_key_id="x", secret_access_key="y")
        self.sns, self.sqs, self.functions, iam = (
            self.access.client(name) for name in ("sns", "sqs", "lambda", "iam")
        )
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        self.role = iam.create_role(RoleName="any", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        topic = self.sns.create_topic(Name="b2b-pilot-messages-prod")["TopicArn"]
        self.environment = Environment(
            name="prod", access=self.access, stack=replace(STACK, topic_arn=topic, region=REGION)
        )

    def queue(self, name: str, **attributes: str) -> str:
        url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(found["Attributes"]["QueueArn"])

    def function(self, name: str, dead_letters: str | None = None) -> str:
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("empty.py", "")
        made: dict[str, Any] = {"DeadLetterConfig": {"TargetArn": dead_letters}} if dead_letters else {}
        return str(
            self.functions.create_function(
                FunctionName=name,
                Runtime="python3.13",
                Role=self.role,
                Handler="any.handler",
                Code={"ZipFile": code.getvalue()},
                **made,
            )["FunctionArn"]
        )

    def subscribe(self, protocol: str, endpoint: str, dead_letters: str | None = None) -> str:
        policy = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead_letters})} if dead_letters else {}
        return str(
            self.sns.subscribe(
                TopicArn=self.environment.stack.topic_arn,
                Protocol=protocol,
                Endpoint=endpoint,
                Attributes=policy,
                ReturnSubscriptionArn=True,
            )["SubscriptionArn"]
        )


@pytest.fixture
def team() -> Iterator[Team]:
    with mock_aws():
        yield Team()


def test_the_processor_has_a_name_of_its_own(team: Team) -> None:
    queue = team.queue("b2b-pilot-dead-letters-prod")
    team.subscribe("lambda", team.function(STACK.processor_function_name, queue), queue)

    (found,) = subscribers_of(team.environment)

    assert (found.name, found.is_processor, found.dead_letter_queue_arns) == ("processor", True, (queue,))
    assert recipient_of(team.environment, found).is_processor


def test_a_function_is_found_with_the_queue_of_both_senders(team: Team) -> None:
    queue = team.queue("analytics-b2b-pilot-prod-dlq")
    function = team.function("analytics-b2b-pilot-prod", queue)
    arn = team.subscribe("lambda", function, queue)

    found = named(team.environment, "analytics")

    assert (found.kind, found.function_arn, found.exists) == (SubscriberKind.FUNCTION, function, True)
    recipient = recipient_of(team.environment, found)
    assert (recipient.subscription_arn, recipient.dead_letter_queue_arn) == (arn, queue)
    assert team.environment.of(recipient).queue().url == recipient.dead_letter_queue_url
    assert recipient.owns(function + ":live")
    assert not recipient.owns(STACK.dead_letter_queue_arn)


def test_a_queue_is_found_with_the_function_behind_it(team: Team) -> None:
    dead_letters = team.queue("billing-b2b-pilot-prod-dlq")
    policy = json.dumps({"deadLetterTargetArn": dead_letters, "maxReceiveCount": 3})
    queue = team.queue("billing-b2b-pilot-prod", RedrivePolicy=policy)
    function = team.function("billing-b2b-pilot-prod")
    team.functions.create_event_source_mapping(EventSourceArn=queue, FunctionName=function)
    team.subscribe("sqs", queue, dead_letters)

    found = named(team.environment, "billing")

    assert (found.kind, found.queue_arn, found.function_arn) == (SubscriberKind.QUEUE, queue, function)
    recipient = recipient_of(team.environment, found)
    assert (recipient.source_queue_arn, recipient.dead_letter_queue_arn) == (queue, dead_letters)


@pytest.mark.parametrize("text", ["analytics", "analytics-b2b-pilot-prod"])
def test_a_subscriber_is_asked_for_by_its_short_or_its_whole_name(team: Team, text: str) -> None:
    team.subscribe("lambda", team.function("analytics-b2b-pilot-prod"))

    assert named(team.environment, text).name == "analytics"


def test_an_unknown_name_is_told_which_there_are(team: Team) -> None:
    team.subscribe("lambda", team.function("analytics-b2b-pilot-prod"))

    with pytest.raises(UsageError, match="nobody called 'billing' is subscribed"):
        named(team.environment, "billing")


def test_dead_letters_in_two_queues_are_refused(team: Team) -> None:
    one, other = team.queue("one"), team.queue("other")
    policy = json.dumps({"deadLetterTargetArn": one, "maxReceiveCount": 3})
    team.subscribe("sqs", team.queue("analytics", RedrivePolicy=policy), other)

    with pytest.raises(Refused, match="two dead-letter queues"):
        recipient_of(team.environment, named(team.environment, "analytics"))


def test_no_queue_for_dead_letters_is_refused(team: Team) -> None:
    team.subscribe("lambda", team.function("analytics"))

    with pytest.raises(Refused, match="no dead-letter queue"):
        recipient_of(team.environment, named(team.environment, "analytics"))


def test_an_endpoint_that_is_gone_is_known_to_be(team: Team) -> None:
    team.subscribe("sqs", team.queue("billing-b2b-pilot-prod"))
    team.sqs.delete_queue(QueueUrl=team.sqs.get_queue_url(QueueName="billing-b2b-pilot-prod")["QueueUrl"])

    assert named(team.environment, "billing").exists is False


def test_a_name_of_another_environment_is_not_shortened() -> None:
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:analytics-b2b-pilot-staging"

    assert short_name(arn, "prod") == "analytics-b2b-pilot-staging"
