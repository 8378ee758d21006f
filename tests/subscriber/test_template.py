"""The templates of `subscribers new`: what each stack owns, whom it lets in, and that a message has no way to be lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from b2bpilot.ops.subscribers.new_filter import DEFAULT, read_filter
from b2bpilot.ops.subscribers.new_folder import NewSubscriber, Protocol
from b2bpilot.ops.verify.template import parse
from b2bpilot.subscriber.once import LONGEST_LEASE

NAMED = "analytics-b2b-pilot-${Environment}"
TOPIC = {
    "Fn::If": [
        "Imports",
        {"Fn::ImportValue": {"Fn::Sub": "b2b-pilot-${Environment}-TopicArn"}},
        {"Ref": "TopicArn"},
    ]
}
DEAD_LETTER_QUEUE = {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
ALARM_TOPIC = {
    "Fn::If": [
        "Rings",
        [
            {
                "Fn::If": [
                    "RingsForCore",
                    {"Fn::ImportValue": {"Fn::Sub": "b2b-pilot-${Environment}-AlarmTopicArn"}},
                    {"Ref": "AlarmsTo"},
                ]
            }
        ],
        {"Ref": "AWS::NoValue"},
    ]
}
NAMES = {
    "FunctionName": {NAMED},
    "QueueName": {NAMED, f"{NAMED}-dlq"},
    "LogGroupName": {f"/aws/lambda/{NAMED}"},
    "AlarmName": {f"{NAMED}-{alarm}" for alarm in (
        "dlq", "errors", "event-age", "dead-letter-errors", "queue-age", "oldest-dead-letter"
    )},
}  # fmt: skip
WHERE_LAMBDA_AND_QUEUE_DIFFER = {"Concurrency"}


def template_of(protocol: Protocol) -> Mapping[str, Any]:
    asked = NewSubscriber(name="analytics", protocol=protocol, filter_policy=read_filter(DEFAULT))
    return parse(asked.files()["template.yaml"].decode())


@pytest.fixture(params=Protocol)
def protocol(request: pytest.FixtureRequest) -> Protocol:
    return Protocol(request.param)


@pytest.fixture
def resources(protocol: Protocol) -> Mapping[str, Any]:
    return template_of(protocol)["Resources"]  # type: ignore[no-any-return]


def of_type(resources: Mapping[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {name: each["Properties"] for name, each in resources.items() if each["Type"] == f"AWS::{kind}"}


def test_every_name_is_the_subscribers_and_the_environments(resources: Mapping[str, Any]) -> None:
    named = [
        (name, value["Fn::Sub"])
        for each in resources.values()
        for name, value in each["Properties"].items()
        if name in NAMES and "Ref" not in value
    ]
    assert {name for name, _ in named} == NAMES.keys()
    assert [each for each in named if each[1] not in NAMES[each[0]]] == []


def test_functions_and_queues_say_whose_they_are(resources: Mapping[str, Any]) -> None:
    tags = {"b2bpilot:subscriber": "analytics", "b2bpilot:environment": {"Ref": "Environment"}}
    assert resources["Function"]["Properties"]["Tags"] == tags
    for queue in of_type(resources, "SQS::Queue").values():
        assert {tag["Key"]: tag["Value"] for tag in queue["Tags"]} == tags


def test_one_queue_takes_the_dead_letters_of_both_senders(
    protocol: Protocol, resources: Mapping[str, Any]
) -> None:
    subscription = resources["Subscription"]["Properties"]
    assert subscription["TopicArn"] == TOPIC
    assert subscription["RedrivePolicy"] == {"deadLetterTargetArn": DEAD_LETTER_QUEUE}
    function = resources["Function"]["Properties"]
    match protocol:
        case Protocol.LAMBDA:
            assert function["DeadLetterQueue"] == {"Type": "SQS", "TargetArn": DEAD_LETTER_QUEUE}
            assert "DestinationConfig" not in resources["EventInvokeConfig"]["Properties"]
        case Protocol.QUEUE:
            assert "DeadLetterQueue" not in function
            redrive = resources["Queue"]["Properties"]["RedrivePolicy"]
            assert redrive == {"deadLetterTargetArn": DEAD_LETTER_QUEUE, "maxReceiveCount": 5}


def test_nothing_is_delivered_before_it_is_let_in(protocol: Protocol, resources: Mapping[str, Any]) -> None:
    lets_in = {
        Protocol.LAMBDA: {"Permission", "DeadLetterQueuePolicy", "EventInvokeConfig"},
        Protocol.QUEUE: {"QueuePolicy", "DeadLetterQueuePolicy"},
    }[protocol]
    assert set(resources["Subscription"]["DependsOn"]) == lets_in


def test_each_queue_admits_the_topic_alone_and_tls_alone(resources: Mapping[str, Any]) -> None:
    """SQS takes one resource a statement."""
    policies = of_type(resources, "SQS::QueuePolicy").values()
    queues = {name: {"Fn::GetAtt": [name, "Arn"]} for name in of_type(resources, "SQS::Queue")}
    assert {policy["Queues"][0]["Ref"] for policy in policies} == queues.keys()
    for policy in policies:
        (queue,) = policy["Queues"]
        allow, deny = policy["PolicyDocument"]["Statement"]
        assert allow["Resource"] == deny["Resource"] == queues[queue["Ref"]]
        assert (allow["Principal"], allow["Action"]) == ({"Service": "sns.amazonaws.com"}, "sqs:SendMessage")
        assert allow["Condition"] == {"ArnEquals": {"aws:SourceArn": TOPIC}}
        assert (deny["Effect"], deny["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_four_alarms_watch_it_and_notify_whom_the_parameter_says(resources: Mapping[str, Any]) -> None:
    alarms = of_type(resources, "CloudWatch::Alarm")
    assert len(alarms) == 4
    for alarm in alarms.values():
        assert (alarm["AlarmActions"], alarm["OKActions"]) == (ALARM_TOPIC, ALARM_TOPIC)
        assert alarm["TreatMissingData"] == "notBreaching"
    watched = alarms["DeadLettersAlarm"]
    assert watched["MetricName"] == "ApproximateNumberOfMessagesVisible"
    assert watched["Dimensions"] == [
        {"Name": "QueueName", "Value": {"Fn::GetAtt": ["DeadLetterQueue", "QueueName"]}}
    ]


def test_a_queue_gives_a_message_again_only_after_its_run_is_over() -> None:
    """Six times the function's timeout, as AWS advises; a dead letter keeps the age that its message had in the queue."""
    resources = template_of(Protocol.QUEUE)["Resources"]
    queue, dead_letters = (resources[name]["Properties"] for name in ("Queue", "DeadLetterQueue"))
    mapping = resources["EventSourceMapping"]["Properties"]
    assert queue["VisibilityTimeout"] == 6 * resources["Function"]["Properties"]["Timeout"]
    assert queue["MessageRetentionPeriod"] < dead_letters["MessageRetentionPeriod"] == 14 * 86400
    assert mapping["BatchSize"] == 1, "one message that hangs would bring the others back with it"
    assert resources["Function"]["Properties"]["Timeout"] > LONGEST_LEASE.total_seconds()
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert "FilterCriteria" not in mapping, "Lambda deletes what a filter leaves out"


def test_its_role_has_its_own_few_actions(protocol: Protocol, resources: Mapping[str, Any]) -> None:
    policies = resources["Role"]["Properties"]["Policies"]
    always = [
        each
        for policy in policies
        if "Fn::If" not in policy
        for each in policy["PolicyDocument"]["Statement"]
    ]
    actions = {
        name
        for each in always
        for name in ([each["Action"]] if isinstance(each["Action"], str) else each["Action"])
    }
    queue = {
        Protocol.LAMBDA: {"sqs:SendMessage"},
        Protocol.QUEUE: {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"},
    }[protocol]
    assert actions == {"logs:CreateLogStream", "logs:PutLogEvents"} | queue
    assert not any("*" in json.dumps([each["Action"], each["Resource"]]) for each in always)
    assert [policy["Fn::If"][0] for policy in policies if "Fn::If" in policy] == ["HasDatabase", "InVpc"]


def test_both_templates_take_the_same_parameters() -> None:
    of_lambda, of_queue = (template_of(each)["Parameters"] for each in Protocol)
    assert of_lambda.keys() == of_queue.keys()
    assert {name for name in of_lambda if of_lambda[name] != of_queue[name]} == WHERE_LAMBDA_AND_QUEUE_DIFFER
    assert [name for name, each in of_lambda.items() if "Default" not in each] == ["Environment"]
