"""Who is subscribed, found from the topic alone."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
from botocore.client import BaseClient
from moto import mock_aws
from moto.awslambda.models import LambdaFunction

from b2bpilot.aws.session import AwsAccess
from b2bpilot.aws.subscriptions import Subscription
from b2bpilot.errors import AwsError, Refused, UsageError
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.recipient import Recipient
from b2bpilot.ops.redrive.routes import AsyncRoute, InvokeRoute, SourceQueueRoute, route_for
from b2bpilot.ops.redrive.via import RedriveVia
from b2bpilot.ops.subscribers.discovery import (
    Subscriber,
    SubscriberKind,
    others_among,
    recipient_of,
    subscriber_named,
    subscribers_among,
    subscribers_of,
)
from b2bpilot.ops.subscribers.health import Permission, PermissionReading, report
from b2bpilot.ops.subscribers.naming import names_among, one_of, short_name
from b2bpilot.ops.subscribers.who_gets_what import who_gets_what
from tests.ops.status.readings import STACK

REGION = "eu-west-1"


def named(environment: Environment, text: str) -> Subscriber:
    """Ask AWS again each time."""
    return subscriber_named(
        Environment(name=environment.name, access=environment.access, stack=environment.stack), text
    )


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

    def map(self, queue: str, function: str, *, is_on: bool) -> None:
        self.functions.create_event_source_mapping(EventSourceArn=queue, FunctionName=function, Enabled=is_on)

    def send_failures(self, function: str, destination: str) -> None:
        self.functions.put_function_event_invoke_config(
            FunctionName=function, DestinationConfig={"OnFailure": {"Destination": destination}}
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
def team(monkeypatch: pytest.MonkeyPatch) -> Iterator[Team]:
    """moto drops a function's dead-letter configuration: here it is kept."""
    made, told = LambdaFunction.__init__, LambdaFunction.get_configuration

    def make(function: Any, *arguments: Any, **named: Any) -> None:
        made(function, *arguments, **named)
        spec = named.get("spec") or arguments[1]
        function.kept = {name: spec[name] for name in ("DeadLetterConfig",) if name in spec}

    monkeypatch.setattr(LambdaFunction, "__init__", make)
    monkeypatch.setattr(
        LambdaFunction,
        "get_configuration",
        lambda one, *arguments, **named: told(one, *arguments, **named) | one.kept,
    )
    with mock_aws():
        yield Team()


def test_the_processor_has_a_name_of_its_own(team: Team) -> None:
    queue = team.queue("b2b-pilot-dead-letters-prod")
    team.subscribe("lambda", team.function(STACK.processor_function_name, queue), queue)

    (found,) = subscribers_of(team.environment)

    assert (found.name, found.is_processor, found.dead_letter_queue_arns) == ("processor", True, (queue,))
    assert recipient_of(team.environment, found).is_processor


ELSEWHERE = "arn:aws:{}:eu-west-1:999999999999:{}"


@pytest.mark.parametrize(
    ("protocol", "endpoint"),
    [
        ("lambda", "arn:aws:lambda:eu-west-1:123456789012:function:processor"),
        ("lambda", "arn:aws:lambda:eu-west-1:123456789012:function:processor-b2b-pilot-prod"),
        ("lambda", "arn:aws:lambda:eu-west-1:123456789012:function:processor:live"),
        ("sqs", "arn:aws:sqs:eu-west-1:123456789012:processor"),
        ("lambda", ELSEWHERE.format("lambda", f"function:{STACK.processor_function_name}")),
        ("lambda", f"arn:aws:lambda:us-east-1:123456789012:function:{STACK.processor_function_name}"),
        ("sqs", ELSEWHERE.format("sqs", "b2b-pilot-processor-messages-prod")),
    ],
)
def test_nobody_else_s_function_or_queue_is_the_processor(team: Team, protocol: str, endpoint: str) -> None:
    stack = replace(
        team.environment.stack,
        message_queue_arn=f"arn:aws:sqs:{REGION}:123456789012:b2b-pilot-processor-messages-prod",
    )
    environment = replace(team.environment, stack=stack)
    subscription = a_subscription(team, protocol, endpoint)

    (name,) = names_among([subscription], environment)
    (found,) = subscribers_among(environment, [subscription])

    assert (name, found.name, found.is_processor) == (name, name, False)
    assert name != "processor"
    assert one_of(environment, [subscription], name) is subscription
    assert others_among(environment, [subscription]) == [found]
    with pytest.raises(UsageError, match="nobody called 'processor' is subscribed"):
        one_of(environment, [subscription], "processor")
    assert who_gets_what(environment, [subscription]).missed
    remarks = report(
        subscription,
        stack,
        endpoint=PermissionReading(permission=Permission.GRANTED),
        redrive=PermissionReading(permission=Permission.NOT_NEEDED),
    ).remarks
    assert "Its owner can name a queue of its own" in remarks[0].text


@pytest.mark.parametrize(
    "endpoint",
    [
        f"arn:aws:lambda:eu-west-1:123456789012:function:{STACK.processor_function_name}",
        f"arn:aws:lambda:eu-west-1:123456789012:function:{STACK.processor_function_name}:live",
        "arn:aws:sqs:eu-west-1:123456789012:b2b-pilot-processor-messages-prod",
    ],
)
def test_each_way_to_the_processor_is_the_processor_s(team: Team, endpoint: str) -> None:
    queue = "arn:aws:sqs:eu-west-1:123456789012:b2b-pilot-processor-messages-prod"
    environment = replace(team.environment, stack=replace(team.environment.stack, message_queue_arn=queue))
    subscription = a_subscription(team, endpoint.split(":")[2], endpoint)

    (found,) = subscribers_among(environment, [subscription])

    assert (found.name, found.is_processor) == ("processor", True)
    assert others_among(environment, [subscription]) == []
    assert one_of(environment, [subscription], "processor") is subscription


FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:"


@pytest.mark.parametrize(
    ("endpoints", "names"),
    [
        (("crm", "crm-b2b-pilot-prod"), ["crm", "crm-b2b-pilot-prod"]),
        (("crm-b2b-pilot-prod", "crm"), ["crm-b2b-pilot-prod", "crm"]),
        (("crm-b2b-pilot-prod", "billing"), ["crm", "billing"]),
        (("crm", "crm:live"), [f"{FUNCTION}crm", f"{FUNCTION}crm:live"]),
        (
            ("crm", "crm-b2b-pilot-prod", "crm-b2b-pilot-prod:live"),
            ["crm", f"{FUNCTION}crm-b2b-pilot-prod", f"{FUNCTION}crm-b2b-pilot-prod:live"],
        ),
    ],
)
def test_each_name_that_is_shown_means_one_subscriber(
    team: Team, endpoints: tuple[str, ...], names: list[str]
) -> None:
    topic = team.environment.stack.topic_arn
    subscriptions = [
        replace(a_subscription(team, "lambda", FUNCTION + name), arn=f"{topic}:{number}")
        for number, name in enumerate(endpoints)
    ]

    found = subscribers_among(team.environment, subscriptions)

    assert [one.name for one in found] == names
    for one in found:
        for text in (one.name, one.subscription.arn, one.subscription.endpoint):
            assert one_of(team.environment, subscriptions, text) is one.subscription


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
    team.map(queue, function, is_on=True)
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


def a_subscription(team: Team, protocol: str, endpoint: str) -> Subscription:
    topic = team.environment.stack.topic_arn
    return Subscription(
        arn=f"{topic}:1",
        topic_arn=topic,
        protocol=protocol,
        endpoint=endpoint,
        owner=None,
        confirmed=True,
        raw_delivery=False,
        filter_policy=None,
        filter_policy_scope="MessageAttributes",
        redrive_policy=None,
    )


def test_an_ambiguous_name_is_refused_and_the_arn_is_not(team: Team) -> None:
    queue = team.queue("analytics-b2b-pilot-prod-dlq")
    team.subscribe("lambda", team.function("analytics-b2b-pilot-prod", queue), queue)
    arn = team.subscribe("sqs", team.queue("analytics-b2b-pilot-prod"), queue)

    with pytest.raises(UsageError, match="'analytics' is ambiguous"):
        named(team.environment, "analytics")
    assert named(team.environment, arn).kind is SubscriberKind.QUEUE


@pytest.mark.parametrize(
    ("protocol", "endpoint", "said"),
    [
        (
            "sqs",
            "arn:aws:sqs:eu-west-1:999999999999:analytics",
            "is in account 999999999999, this environment in",
        ),
        (
            "sqs",
            "arn:aws:sqs:us-east-1:123456789012:analytics",
            "is in us-east-1, this environment in eu-west-1",
        ),
        ("lambda", "arn:aws:lambda:us-east-1:123456789012:function:analytics", "is in us-east-1"),
        ("sqs", "arn:aws:sqs:eu-west-1:123456789012:analytics.fifo", "has a FIFO queue, analytics.fifo"),
        ("email", "ana@example.com", "neither a function nor a queue, but a subscription by email"),
    ],
)
def test_what_is_out_of_reach_is_refused_in_a_line(
    team: Team, protocol: str, endpoint: str, said: str
) -> None:
    subscription = a_subscription(team, protocol, endpoint)
    kinds = {"sqs": SubscriberKind.QUEUE, "lambda": SubscriberKind.FUNCTION}
    one = Subscriber(
        name="analytics", kind=kinds.get(protocol, SubscriberKind.OTHER), subscription=subscription
    )

    with pytest.raises(Refused, match=said) as refused:
        recipient_of(team.environment, one)
    assert "\n" not in str(refused.value)


def test_what_cannot_be_read_is_no_lack_of_a_queue(team: Team) -> None:
    endpoint = f"arn:aws:lambda:{REGION}:{team.environment.stack.account_id}:function:analytics"
    subscription = a_subscription(team, "lambda", endpoint)
    denied = Subscriber(
        name="analytics", kind=SubscriberKind.FUNCTION, subscription=subscription, errors=("not allowed",)
    )

    with pytest.raises(
        AwsError, match="where the dead letters of subscriber analytics are is not known: not allowed"
    ):
        recipient_of(team.environment, denied)


def test_a_queue_that_no_known_function_empties_has_its_dead_letters_all_the_same(team: Team) -> None:
    dead_letters = team.queue("audit-b2b-pilot-prod-dlq")
    policy = json.dumps({"deadLetterTargetArn": dead_letters, "maxReceiveCount": 3})
    team.subscribe("sqs", team.queue("audit-b2b-pilot-prod", RedrivePolicy=policy), dead_letters)

    recipient = recipient_of(team.environment, named(team.environment, "audit"))

    assert (recipient.function, recipient.dead_letter_queue_arn) == (None, dead_letters)
    assert route_for(recipient, None) is RedriveVia.QUEUE
    with pytest.raises(UsageError, match="which function takes what is in its queue is not known"):
        route_for(recipient, RedriveVia.INVOKE)


def test_what_is_run_again_is_the_alias_that_sns_runs(team: Team) -> None:
    dead_letters = team.queue("analytics-b2b-pilot-prod-dlq")
    function = team.function("analytics-b2b-pilot-prod", dead_letters)
    team.subscribe("lambda", f"{function}:live", dead_letters)

    recipient = recipient_of(team.environment, named(team.environment, "analytics"))

    assert (recipient.function, recipient.function_in_words) == (
        f"{function}:live",
        "analytics-b2b-pilot-prod:live",
    )
    assert recipient.owns(function)
    assert team.environment.of(recipient).function().short_name == "analytics-b2b-pilot-prod"


def test_dead_letters_that_go_to_a_topic_are_refused(team: Team) -> None:
    topic = team.environment.stack.topic_arn
    endpoint = f"arn:aws:lambda:{REGION}:{team.environment.stack.account_id}:function:analytics"
    one = Subscriber(
        name="analytics",
        kind=SubscriberKind.FUNCTION,
        subscription=a_subscription(team, "lambda", endpoint),
        sender_dead_letter_queue_arn=topic.replace("us-east-1", REGION),
    )

    with pytest.raises(Refused, match="which is no queue"):
        recipient_of(team.environment, one)


def test_into_a_queue_from_which_nothing_would_come_back_nothing_is_sent(team: Team) -> None:
    dead_letters = team.queue("audit-b2b-pilot-prod-dlq")
    team.subscribe("sqs", team.queue("audit-b2b-pilot-prod"), dead_letters)
    audit = team.environment.of(recipient_of(team.environment, named(team.environment, "audit")))

    with pytest.raises(Refused, match="what fails again would not come back"):
        SourceQueueRoute.connect(audit, is_proved=False)


@pytest.mark.parametrize(
    ("own", "destination", "said"),
    [
        ("analytics-dlq", None, None),
        (None, "analytics-dlq", None),
        ("another", "analytics-dlq", None),
        (None, None, "to no queue, not to analytics-dlq: what fails again would be lost"),
        ("another", None, "to another, not to analytics-dlq: what fails again would not come back"),
        (None, "another", "to another, not to analytics-dlq: what fails again would not come back"),
    ],
)
def test_async_needs_a_function_whose_failures_come_back_to_the_same_queue(
    team: Team, own: str | None, destination: str | None, said: str | None
) -> None:
    queues = {name: team.queue(name) for name in ("analytics-dlq", "another")}
    function = team.function("analytics-b2b-pilot-prod", queues[own] if own else None)
    if destination:
        team.functions.put_function_event_invoke_config(
            FunctionName=function,
            DestinationConfig={"OnFailure": {"Destination": queues[destination]}},
        )
    subscription = team.subscribe("lambda", function, queues["analytics-dlq"])
    recipient = Recipient(
        name="analytics",
        topic_arn=team.environment.stack.topic_arn,
        subscription_arn=subscription,
        function=function,
        function_arns=frozenset({function}),
        dead_letter_queue_url="",
        dead_letter_queue_arn=queues["analytics-dlq"],
    )
    analytics = team.environment.of(recipient)

    with pytest.raises(Refused, match=said) if said else nullcontext():
        AsyncRoute.connect(analytics, is_proved=False)
    InvokeRoute.connect(analytics, is_proved=False)


@pytest.mark.parametrize("has_queue", [True, False])
def test_async_to_the_processor_needs_it_as_well(team: Team, has_queue: bool) -> None:
    queue = team.queue("b2b-pilot-dead-letters-prod")
    stack = replace(team.environment.stack, dead_letter_queue_arn=queue)
    team.function(stack.processor_function_name, queue if has_queue else None)

    with nullcontext() if has_queue else pytest.raises(Refused, match="would be lost"):
        AsyncRoute.connect(replace(team.environment, stack=stack), is_proved=True)


def test_a_subscription_that_cannot_be_read_is_no_lack_of_another_queue(team: Team) -> None:
    """The function's queue is known; where SNS sends what it cannot deliver is not."""
    endpoint = f"arn:aws:lambda:{REGION}:{team.environment.stack.account_id}:function:analytics"
    subscription = replace(a_subscription(team, "lambda", endpoint), attributes_error=AwsError("not allowed"))
    one = Subscriber(
        name="analytics",
        kind=SubscriberKind.FUNCTION,
        subscription=subscription,
        sender_dead_letter_queue_arn=team.queue("analytics-dlq"),
    )

    with pytest.raises(
        AwsError, match="where the dead letters of subscriber analytics are is not known: not allowed"
    ):
        recipient_of(team.environment, one)


def test_a_mapping_that_is_off_hands_nothing_to_its_function(team: Team) -> None:
    dead_letters = team.queue("billing-b2b-pilot-prod-dlq")
    policy = json.dumps({"deadLetterTargetArn": dead_letters, "maxReceiveCount": 3})
    queue = team.queue("billing-b2b-pilot-prod", RedrivePolicy=policy)
    function = team.function("billing-b2b-pilot-prod")
    team.map(queue, function, is_on=False)
    team.subscribe("sqs", queue, dead_letters)

    recipient = recipient_of(team.environment, named(team.environment, "billing"))

    assert (recipient.function, route_for(recipient, None)) == (None, RedriveVia.QUEUE)
    assert recipient.owns(function)
    disabled = "the event source mapping from its queue to billing-b2b-pilot-prod is disabled"
    with pytest.raises(UsageError, match=disabled):
        route_for(recipient, RedriveVia.INVOKE)
    with pytest.raises(Refused, match=disabled):
        team.environment.of(recipient).function()


def test_a_second_mapping_that_is_off_makes_no_doubt(team: Team) -> None:
    dead_letters = team.queue("billing-b2b-pilot-prod-dlq")
    policy = json.dumps({"deadLetterTargetArn": dead_letters, "maxReceiveCount": 3})
    queue = team.queue("billing-b2b-pilot-prod", RedrivePolicy=policy)
    old, new = team.function("billing-old"), team.function("billing-new")
    team.map(queue, old, is_on=False)
    team.map(queue, new, is_on=True)
    team.subscribe("sqs", queue, dead_letters)

    found = named(team.environment, "billing")

    assert (found.function_arn, found.other_function_arns, found.off_function_arns) == (new, (), (old,))
    assert recipient_of(team.environment, found).function == new


def test_what_is_looked_at_is_the_alias_that_sns_runs(team: Team) -> None:
    """A function without the alias is nothing that SNS could run."""
    function = team.function("analytics-b2b-pilot-prod")
    team.subscribe("lambda", f"{function}:live")
    assert named(team.environment, "analytics").exists is False
    version = team.functions.publish_version(FunctionName=function)["Version"]
    team.functions.create_alias(FunctionName=function, Name="live", FunctionVersion=version)

    found = named(team.environment, "analytics")

    assert (found.exists, found.function_arn) == (True, function)


def test_a_destination_that_is_a_queue_has_the_function_s_dead_letters(team: Team) -> None:
    queue = team.queue("analytics-b2b-pilot-prod-dlq")
    function = team.function("analytics-b2b-pilot-prod")
    team.send_failures(function, queue)
    team.subscribe("lambda", function)

    assert recipient_of(team.environment, named(team.environment, "analytics")).dead_letter_queue_arn == queue


def test_a_destination_that_is_no_queue_is_named(team: Team) -> None:
    bus = f"arn:aws:events:{REGION}:{team.environment.stack.account_id}:event-bus/default"
    function = team.function("analytics-b2b-pilot-prod")
    team.send_failures(function, bus)
    team.subscribe("lambda", function)

    with pytest.raises(Refused, match=f"what its function failed on goes to {bus}"):
        recipient_of(team.environment, named(team.environment, "analytics"))


def test_only_the_one_that_is_named_is_looked_at_and_all_are_listed_once(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever else is subscribed may be slow, or in a region that does not answer."""
    for number in range(10):
        queue = team.queue(f"team{number}-dlq")
        team.subscribe("lambda", team.function(f"team{number}-b2b-pilot-prod", queue), queue)
    asked: list[str] = []
    ask = BaseClient._make_api_call

    def recorded(client: BaseClient, name: str, request: dict[str, Any]) -> Any:
        asked.append(name)
        return ask(client, name, request)

    monkeypatch.setattr(BaseClient, "_make_api_call", recorded)
    environment = replace(team.environment)

    found = subscriber_named(environment, "team7")
    recipient = recipient_of(environment, found)
    listings = [environment.of(recipient).subscribers.listed() for _ in range(10)]

    assert found.name == "team7"
    assert {len(one) for one in listings} == {10}
    assert asked.count("ListSubscriptionsByTopic") == 1
    assert asked.count("GetSubscriptionAttributes") == 1
    assert asked.count("GetFunctionConfiguration") == 1
