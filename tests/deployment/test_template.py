"""What the template promises, checked on the template itself: delivery, privacy, least privilege, alarms, names."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import permutations
from typing import Any

import pytest

from b2bpilot.aws.mappings import AS_DEPLOYED, BATCH_SIZE, REPORTS
from b2bpilot.aws.stack import UNRESERVED
from b2bpilot.local.runtime.log_pattern import log_pattern
from b2bpilot.ops.rejections import PROBE_MESSAGE_ID
from b2bpilot.pipeline.lease import QUEUE_TRIES
from b2bpilot.pipeline.message import message_id_for
from lambdas.dead_letter_redriver.attempts import START_MARGIN_SECONDS
from tests.deployment.evaluation import Evaluation

Properties = dict[str, Any]
OfType = Callable[[str], dict[str, Properties]]

FUNCTIONS = {
    "WebhookHandlerFunction": ("webhook-handler", "lambdas.webhook_handler.handler.handler"),
    "BackgroundProcessorFunction": ("background-processor", "lambdas.background_processor.handler.handler"),
    "ExpressProcessorFunction": ("express-processor", "lambdas.background_processor.handler.handler"),
    "StaleMessageProcessorFunction": (
        "stale-message-processor",
        "lambdas.stale_message_processor.handler.handler",
    ),
    "DeadLetterRedriverFunction": ("dead-letter-redriver", "lambdas.dead_letter_redriver.handler.handler"),
}
OF_THE_QUEUE = {
    "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ReceiveMessage",
}  # fmt: skip
NO_VALUE = {"Ref": "AWS::NoValue"}
SUBSCRIPTIONS = ("ProcessorSubscription", "QueueSubscription")
NO_RESOURCE_LEVEL = {"cloudwatch:GetMetricData", "lambda:ListEventSourceMappings"}
OUTPUTS = {
    "Environment", "TopicArn", "AlarmTopicArn", "DeadLetterQueueUrl", "DeadLetterQueueArn", "WebhookFunctionName",
    "ProcessorFunctionName", "ExpressFunctionName", "ExpressSubscriptionArn", "ExpressReservedConcurrency", "HighPriorityNumbers",
    "StaleFunctionName", "RedriverFunctionName", "RedriverMappingId", "WebhookUrl", "ApiId",
    "SecretArn", "OldSecret", "TwilioSecretArn", "DatabaseSecretArn", "DatabaseHost", "DatabasePort", "DatabaseName",
    "SubscriptionArn", "Delivery", "MessageQueueUrl", "MessageQueueArn", "MessageMappingId", "OldQueueArn", "OldQueueMappingId", "ScheduleName", "DashboardName", "ProcessorReservedConcurrency", "StaleAfterMinutes",
    "PairRegion",
}  # fmt: skip


@pytest.fixture(params=FUNCTIONS)
def function(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def functions(of_type: OfType) -> dict[str, Properties]:
    return of_type("AWS::Serverless::Function")


def statements(role: Properties) -> Iterator[dict[str, Any]]:
    """Every statement that can be in force, those inside `!If` included."""
    for policy in role["Policies"]:
        for statement in chosen(policy)["PolicyDocument"]["Statement"]:
            yield chosen(statement)


def chosen(value: dict[str, Any]) -> dict[str, Any]:
    return value["Fn::If"][1] if "Fn::If" in value else value


def actions(statement: dict[str, Any]) -> list[str]:
    action = statement["Action"]
    return [action] if isinstance(action, str) else action


# ---- functions ----


def test_a_function_has_its_name_and_its_handler(functions: dict[str, Properties], function: str) -> None:
    name, handler = FUNCTIONS[function]
    assert functions[function]["FunctionName"] == {"Fn::Sub": f"b2b-pilot-{name}-${{Environment}}"}
    assert functions[function]["Handler"] == handler


def test_a_function_logs_json_into_its_own_group(
    template: dict[str, Any], functions: dict[str, Properties], of_type: OfType, function: str
) -> None:
    assert template["Globals"]["Function"]["LoggingConfig"]["LogFormat"] == "JSON"
    group = of_type("AWS::Logs::LogGroup")[functions[function]["LoggingConfig"]["LogGroup"]["Ref"]]
    assert group["LogGroupName"] == {
        "Fn::Sub": f"/aws/lambda/{functions[function]['FunctionName']['Fn::Sub']}"
    }


def test_every_log_group_forgets(of_type: OfType) -> None:
    assert all(group["RetentionInDays"] <= 90 for group in of_type("AWS::Logs::LogGroup").values())


def test_the_same_variable_has_the_same_value_everywhere(functions: dict[str, Properties]) -> None:
    """But for those of the secrets: tests/deployment/test_secrets.py."""
    values: dict[str, Any] = {}
    for properties in functions.values():
        for name, value in properties["Environment"]["Variables"].items():
            if "SECRET_ARN" not in name:
                assert values.setdefault(name, value) == value
    assert set(values) == {
        "DATABASE_HOST", "DATABASE_PORT", "DATABASE_NAME",
        "SNS_TOPIC_ARN", "PUBLIC_WEBHOOK_URL", "REPLY_TEXT", "STALE_AFTER_MINUTES", "PROCESSOR_FUNCTION_NAME",
        "DEAD_LETTER_QUEUE_URL", "API_WEBHOOK_URL", "PREVIOUS_WEBHOOK_URL", "PROCESSOR_CONCURRENCY",
        "HIGH_PRIORITY_NUMBERS", "OWN_SUBSCRIPTION_ARNS", "OWN_FUNCTION_ARNS", "OWN_QUEUE_ARN",
        "OLD_QUEUE_ARN", "SENDS_REPLIES",
    }  # fmt: skip


def test_the_processor_is_bounded(template: dict[str, Any], functions: dict[str, Properties]) -> None:
    processor = functions["BackgroundProcessorFunction"]
    reserve = {"Ref": "ProcessorConcurrency"}
    assert processor["Timeout"] == 300
    assert template["Parameters"]["ProcessorConcurrency"]["Default"] == "10"
    assert processor["ReservedConcurrentExecutions"] == reserved_or("HasProcessorReserve", reserve, NO_VALUE)
    told = template["Outputs"]["ProcessorReservedConcurrency"]["Value"]
    assert told == reserved_or("HasProcessorReserve", reserve, UNRESERVED)
    stale = functions["StaleMessageProcessorFunction"]["Environment"]["Variables"]
    assert stale["PROCESSOR_CONCURRENCY"] == reserved_or("HasProcessorReserve", reserve, "10")


def test_the_webhook_is_bounded_where_that_is_asked_for(
    template: dict[str, Any], functions: dict[str, Properties]
) -> None:
    webhook = functions["WebhookHandlerFunction"]
    assert template["Parameters"]["WebhookConcurrency"]["Default"] == ""
    assert webhook["ReservedConcurrentExecutions"] == reserved_or(
        "HasWebhookReserve", {"Ref": "WebhookConcurrency"}, NO_VALUE
    )


@pytest.mark.parametrize("name", ["ProcessorConcurrency", "WebhookConcurrency"])
def test_a_concurrency_of_0_is_refused(template: dict[str, Any], name: str) -> None:
    """It would make every message a dead letter, or refuse every webhook."""
    pattern = template["Parameters"][name]["AllowedPattern"]
    assert [text for text in ("", "0", "00", "1", "10", "9999", "10000", "-1", "ten") if re.search(pattern, text)] == [
        "", "1", "10", "9999"
    ]  # fmt: skip


def reserved_or(condition: str, reserve: object, otherwise: object) -> dict[str, Any]:
    return {"Fn::If": [condition, reserve, otherwise]}


def test_the_webhook_ends_before_twilio_gives_up(functions: dict[str, Properties]) -> None:
    assert functions["WebhookHandlerFunction"]["Timeout"] <= 10


# ---- nothing is lost ----


def test_one_queue_takes_the_dead_letters_of_lambda_and_of_sns(
    functions: dict[str, Properties], of_type: OfType
) -> None:
    queue = {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
    processor = functions["BackgroundProcessorFunction"]
    subscription = of_type("AWS::SNS::Subscription")["ProcessorSubscription"]
    assert processor["DeadLetterQueue"] == {"Type": "SQS", "TargetArn": queue}
    assert subscription["RedrivePolicy"] == {"deadLetterTargetArn": queue}


def test_no_destination_stands_beside_the_queue(of_type: OfType) -> None:
    configs = of_type("AWS::Lambda::EventInvokeConfig").values()
    assert not any("DestinationConfig" in config for config in configs)


def test_lambda_tries_three_times_within_six_hours(of_type: OfType) -> None:
    config = of_type("AWS::Lambda::EventInvokeConfig")["ProcessorEventInvokeConfig"]
    assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (2, 6 * 3600)


def test_a_dead_letter_lives_for_fourteen_days_and_may_be_large(of_type: OfType) -> None:
    queue = of_type("AWS::SQS::Queue")["DeadLetterQueue"]
    assert queue["MessageRetentionPeriod"] == 14 * 86400
    assert queue["MaximumMessageSize"] == 1024 * 1024


def test_no_delivery_comes_before_its_permission_and_its_queue_policy(resources: dict[str, Any]) -> None:
    assert {"ProcessorPermission", "DeadLetterQueuePolicy"} <= set(
        resources["ProcessorSubscription"]["DependsOn"]
    )


# ---- delivery as a mode ----


@pytest.mark.parametrize(
    ("mode", "by_topic", "by_queue"),
    [("topic", True, False), ("topic-and-queue", True, True), ("queue", False, True)],
)
def test_a_mode_is_its_subscriptions_and_whether_the_mapping_is_on(
    template: dict[str, Any], mode: str, by_topic: bool, by_queue: bool
) -> None:
    """Nothing else of the template differs: queue, policy and mapping are there in every mode."""
    other = Evaluation(template, Delivery="topic-and-queue")
    found = Evaluation(template, Delivery=mode)
    subscriptions = [
        found.resource(name) is not None for name in ("ProcessorSubscription", "QueueSubscription")
    ]
    enabled = found.resource("MessageQueueMapping")["Enabled"]
    assert (subscriptions, enabled) == ([by_topic, by_queue], by_queue)
    about_it = {
        "ProcessorSubscription",
        "QueueSubscription",
        "MessageQueueMapping",
        "DeadLetterRedriverFunction",
    }
    for name in template["Resources"].keys() - about_it:
        assert found.resource(name) == other.resource(name), name


def test_without_an_old_queue_there_is_no_trace_of_one(template: dict[str, Any]) -> None:
    found = Evaluation(template)
    resources = {name: found.resource(name) for name in template["Resources"]}
    outputs = {
        name for name, each in template["Outputs"].items() if found.holds(each.get("Condition", "InVpc"))
    }
    assert [name for name, each in resources.items() if "OldQueue" in json.dumps(each)] == []
    assert [name for name in resources if name.startswith("OldQueue") and resources[name]] == []
    assert "OLD_QUEUE_ARN" not in json.dumps(resources)
    assert not any(name.startswith("OldQueue") for name in outputs)


@pytest.mark.parametrize(("mode", "runs"), [("topic", "5"), ("topic-and-queue", 2), ("queue", 2)])
def test_an_old_queue_is_drained_by_the_processor_and_by_fewer_runs_than_its_reserve(
    template: dict[str, Any], mode: str, runs: Any
) -> None:
    arn = "arn:aws:sqs:eu-west-1:123456789012:pilot-messages"
    found = Evaluation(template, OldQueueArn=arn, Delivery=mode)
    mapping = found.resource("OldQueueMapping")
    assert mapping == {
        "FunctionName": {"Ref": "BackgroundProcessorFunction"},
        "EventSourceArn": arn,
        "BatchSize": 10,
        "ScalingConfig": {"MaximumConcurrency": runs},
        "FunctionResponseTypes": [REPORTS],
    }
    take, decrypt = found.resource("OldQueuePolicy")["PolicyDocument"]["Statement"]
    assert (set(take["Action"]), take["Resource"]) == (OF_THE_QUEUE, arn)
    assert set(decrypt["Condition"]["StringEquals"]) == {"kms:ViaService"}


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:sqs:eu-west-1:123456789012:pilot.fifo",
        "https://sqs.eu-west-1.amazonaws.com/123456789012/pilot",
        "arn:aws:sns:eu-west-1:123456789012:pilot",
        "pilot",
    ],
)
def test_what_is_no_standard_queues_arn_is_refused(template: dict[str, Any], arn: str) -> None:
    pattern = template["Parameters"]["OldQueueArn"]["AllowedPattern"]
    assert not re.fullmatch(pattern, arn)
    assert re.fullmatch(pattern, "arn:aws-cn:sqs:cn-north-1:123456789012:pilot_Messages-1")


def test_no_other_mode_can_be_given(template: dict[str, Any]) -> None:
    delivery = template["Parameters"]["Delivery"]
    assert delivery["AllowedValues"] == ["topic", "topic-and-queue", "queue"]
    assert delivery["Default"] == "topic"


def test_the_queue_keeps_a_message_until_it_is_stored_or_a_dead_letter(
    functions: dict[str, Properties], of_type: OfType, resources: dict[str, Any]
) -> None:
    queue = of_type("AWS::SQS::Queue")["MessageQueue"]
    assert queue["VisibilityTimeout"] == 6 * functions["BackgroundProcessorFunction"]["Timeout"]
    assert queue["MessageRetentionPeriod"] == 14 * 86400
    assert queue["MaximumMessageSize"] == 1024 * 1024
    assert queue["SqsManagedSseEnabled"] is True
    assert queue["RedrivePolicy"] == {
        "deadLetterTargetArn": {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]},
        "maxReceiveCount": QUEUE_TRIES,
    }
    assert "QueueName" not in queue, "what a way back leaves would stand in the next deploy's way"


def test_the_queue_gets_what_the_topic_gets_and_loses_nothing_of_it(of_type: OfType) -> None:
    subscription = of_type("AWS::SNS::Subscription")["QueueSubscription"]
    assert subscription == {
        "TopicArn": {"Ref": "MessageTopic"},
        "Protocol": "sqs",
        "Endpoint": {"Fn::GetAtt": ["MessageQueue", "Arn"]},
        "RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}},
    }


def test_what_takes_over_is_there_before_what_it_replaces_goes(resources: dict[str, Any]) -> None:
    """CloudFormation creates and updates in the order of DependsOn, and deletes at the end: the queue's subscription comes once
    the mapping is on, and the mapping goes off once the topic delivers."""
    assert {"MessageQueuePolicy", "MessageQueueMapping"} <= set(resources["QueueSubscription"]["DependsOn"])
    function = resources["MessageQueueMapping"]["Properties"]["FunctionName"]["Fn::Select"]
    by_topic = {"Fn::If": ["DeliversByTopic", {"Ref": "ProcessorSubscription"}, ""]}
    assert function == [0, [{"Ref": "BackgroundProcessorFunction"}, by_topic]]


@pytest.mark.parametrize("way", list(permutations(["topic", "topic-and-queue", "queue"], 2)))
def test_no_change_of_mode_has_a_moment_without_a_subscription(
    template: dict[str, Any], way: tuple[str, str]
) -> None:
    """Whatever CloudFormation has done so far: while it creates and updates, and while it deletes after that."""
    before, after = (
        {name for name in SUBSCRIPTIONS if Evaluation(template, Delivery=mode).resource(name)} for mode in way
    )
    created, deleted = after - before, before - after
    moments = [before, before | created, (before | created) - deleted]
    assert all(moments)
    assert moments[1] == before | after


@pytest.mark.parametrize("mode", ["topic", "topic-and-queue", "queue"])
def test_the_redriver_knows_each_subscription_and_the_queue_as_ours(
    template: dict[str, Any], mode: str
) -> None:
    found = Evaluation(template, Delivery=mode)
    variables = found.resource("DeadLetterRedriverFunction")["Environment"]["Variables"]
    _, arns = variables["OWN_SUBSCRIPTION_ARNS"]["Fn::Join"]
    assert [arn["Ref"] for arn in arns] == [name for name in SUBSCRIPTIONS if found.resource(name)]
    assert variables["OWN_QUEUE_ARN"] == {"Fn::GetAtt": ["MessageQueue", "Arn"]}


def test_the_redriver_knows_the_express_lane_as_ours(template: dict[str, Any]) -> None:
    found = Evaluation(template, ExpressConcurrency="2").resource("DeadLetterRedriverFunction")
    variables = found["Environment"]["Variables"]
    listed = [variables[name]["Fn::Join"][1] for name in ("OWN_SUBSCRIPTION_ARNS", "OWN_FUNCTION_ARNS")]
    assert listed == [
        [{"Ref": "ProcessorSubscription"}, {"Ref": "ExpressSubscription"}],
        [{"Fn::GetAtt": [f"{name}ProcessorFunction", "Arn"]} for name in ("Background", "Express")],
    ]


# ---- the redrive inside AWS ----


def test_the_redriver_gets_no_dead_letters_until_it_is_told_to(of_type: OfType) -> None:
    mapping = of_type("AWS::Lambda::EventSourceMapping")["DeadLetterRedriverMapping"]
    assert mapping["Enabled"] is False
    assert (mapping["BatchSize"], mapping["ScalingConfig"]) == (
        BATCH_SIZE,
        {"MaximumConcurrency": AS_DEPLOYED},
    )


@pytest.mark.parametrize("name", ["DeadLetterRedriverMapping", "MessageQueueMapping"])
def test_what_a_function_names_stays_in_its_queue_and_no_filter_deletes_any(
    of_type: OfType, name: str
) -> None:
    mapping = of_type("AWS::Lambda::EventSourceMapping")[name]
    assert mapping["FunctionResponseTypes"] == [REPORTS]
    assert "FilterCriteria" not in mapping, "Lambda deletes what a filter leaves out"


def test_dead_letters_stay_hidden_for_six_times_the_redrivers_timeout(
    functions: dict[str, Properties], of_type: OfType
) -> None:
    timeout = functions["DeadLetterRedriverFunction"]["Timeout"]
    assert of_type("AWS::SQS::Queue")["DeadLetterQueue"]["VisibilityTimeout"] == 6 * timeout
    assert timeout >= START_MARGIN_SECONDS + 10


def test_a_guard_looks_after_a_mapping_that_nobody_turned_off(of_type: OfType) -> None:
    guard = of_type("AWS::Scheduler::Schedule")["RedriveGuardSchedule"]
    assert guard["ScheduleExpression"] == "rate(5 minutes)"
    assert guard["Target"]["Arn"] == {"Fn::GetAtt": ["DeadLetterRedriverFunction", "Arn"]}


# ---- express lane ----


def test_without_an_express_lane_nothing_of_it_is_deployed(template: dict[str, Any]) -> None:
    found = Evaluation(template)
    for name in template["Resources"]:
        deployed = json.dumps(found.resource(name)).replace("ExpressAlarms", "")
        assert not re.search("Express(?!ion)", deployed)
    assert not any(found.resource(name) for name in template["Resources"] if "Express" in name)
    assert {each.get("Condition") for name, each in template["Outputs"].items() if "Express" in name} == {
        "HasExpress"
    }


def test_the_express_lane_is_in_addition(template: dict[str, Any]) -> None:
    """The processor's subscription has no filter in either case: no message depends on the express lane."""
    off, on = Evaluation(template), Evaluation(template, ExpressConcurrency="3")
    assert off.resource("ProcessorSubscription") == on.resource("ProcessorSubscription")
    assert "FilterPolicy" not in on.resource("ProcessorSubscription")
    express = on.resource("ExpressSubscription")
    assert (express["FilterPolicyScope"], express["FilterPolicy"]) == (
        "MessageAttributes",
        {"priority": ["high"]},
    )


def test_the_express_processor_is_the_processor_with_a_reserve_of_its_own(template: dict[str, Any]) -> None:
    on = Evaluation(template, ExpressConcurrency="3")
    express, processor = on.resource("ExpressProcessorFunction"), on.resource("BackgroundProcessorFunction")
    assert express["ReservedConcurrentExecutions"] == "3"
    own = {"FunctionName", "Description", "ReservedConcurrentExecutions", "LoggingConfig"}
    assert {
        name for name in express.keys() | processor.keys() if express.get(name) != processor.get(name)
    } == own
    told = on.resource("ExpressEventInvokeConfig"), on.resource("ProcessorEventInvokeConfig")
    assert told[0] == {**told[1], "FunctionName": {"Ref": "ExpressProcessorFunction"}}


@pytest.mark.parametrize(
    ("numbers", "accepted"),
    [
        ("", True),
        ("+15005550001", True),
        ("+15005550001,+15005550002", True),
        ("+15005550001, 12345", True),
        ("15005550001", False),
        ("+0500555", False),
        ("whatsapp:+15005550001", False),
        ("+15005550001,", False),
        ("+15005550001;+15005550002", False),
        ("12", False),
        ("all", False),
    ],
)
def test_high_priority_numbers_are_numbers(template: dict[str, Any], numbers: str, accepted: bool) -> None:
    assert accepts(template, "HighPriorityNumbers", numbers) is accepted


@pytest.mark.parametrize(
    ("runs", "accepted"), [("0", True), ("1", True), ("00", False), ("", False), ("-1", False)]
)
def test_a_reserve_of_the_express_lane_is_a_number(
    template: dict[str, Any], runs: str, accepted: bool
) -> None:
    assert accepts(template, "ExpressConcurrency", runs) is accepted


# ---- who may do what ----


def test_every_function_has_a_role_of_its_own(functions: dict[str, Properties]) -> None:
    """But for the express processor, which is the processor a second time."""
    roles = {name: properties["Role"]["Fn::GetAtt"][0] for name, properties in functions.items()}
    assert roles.pop("ExpressProcessorFunction") == roles["BackgroundProcessorFunction"]
    assert len(set(roles.values())) == len(roles)


def test_roles_have_no_managed_policies(of_type: OfType) -> None:
    assert not any("ManagedPolicyArns" in role for role in of_type("AWS::IAM::Role").values())


def test_no_action_is_a_pattern(of_type: OfType) -> None:
    for role in of_type("AWS::IAM::Role").values():
        assert not any("*" in action for statement in statements(role) for action in actions(statement))


def test_only_actions_without_a_resource_level_get_every_resource(of_type: OfType) -> None:
    for role in of_type("AWS::IAM::Role").values():
        broad = {action for each in statements(role) if each["Resource"] == "*" for action in actions(each)}
        assert {action for action in broad if not action.startswith("ec2:")} <= NO_RESOURCE_LEVEL


@pytest.mark.parametrize(
    ("function", "own"),
    [
        ("WebhookHandler", {"sns:Publish"}),
        ("BackgroundProcessor", {"sqs:SendMessage", *OF_THE_QUEUE}),
        ("StaleMessageProcessor", {"sns:Publish", "cloudwatch:GetMetricData"}),
    ],
)
def test_a_role_has_its_own_few_actions(of_type: OfType, function: str, own: set[str]) -> None:
    role = of_type("AWS::IAM::Role")[f"{function}Role"]
    granted = {
        action for each in statements(role) for action in actions(each) if not action.startswith("ec2:")
    }
    assert granted == own | {"logs:CreateLogStream", "logs:PutLogEvents", "secretsmanager:GetSecretValue"}


def test_the_redriver_reads_no_secret_and_runs_nothing_but_the_processor(of_type: OfType) -> None:
    role = of_type("AWS::IAM::Role")["DeadLetterRedriverRole"]
    granted = {action: each["Resource"] for each in statements(role) for action in actions(each)}
    queue = {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
    group = {"Fn::GetAtt": ["DeadLetterRedriverLogGroup", "Arn"]}
    assert granted == {
        "logs:CreateLogStream": group,
        "logs:PutLogEvents": group,
        "sqs:ChangeMessageVisibility": queue,
        "sqs:DeleteMessage": queue,
        "sqs:GetQueueAttributes": queue,
        "sqs:ReceiveMessage": queue,
        "sqs:SendMessage": queue,
        "lambda:InvokeFunction": {"Fn::GetAtt": ["BackgroundProcessorFunction", "Arn"]},
        "lambda:ListEventSourceMappings": "*",
    }


def test_the_redriver_changes_no_mapping_but_its_own(of_type: OfType) -> None:
    policy = of_type("AWS::IAM::Policy")["DeadLetterRedriverSwitchPolicy"]
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert policy["Roles"] == [{"Ref": "DeadLetterRedriverRole"}]
    assert statement["Resource"]["Fn::Sub"].endswith(":event-source-mapping:${DeadLetterRedriverMapping}")
    assert set(statement["Action"]) == {
        "lambda:GetEventSourceMapping",
        "lambda:ListTags",
        "lambda:TagResource",
        "lambda:UpdateEventSourceMapping",
    }


def test_network_rights_exist_only_inside_a_vpc(of_type: OfType) -> None:
    for role in of_type("AWS::IAM::Role").values():
        always = [policy for policy in role["Policies"] if "Fn::If" not in policy]
        assert "ec2:" not in json.dumps(always)


@pytest.mark.parametrize("policy", ["DeadLetterQueuePolicy", "MessageQueuePolicy"])
def test_a_queue_admits_the_topic_only_and_tls_only(of_type: OfType, policy: str) -> None:
    allow, deny = of_type("AWS::SQS::QueuePolicy")[policy]["PolicyDocument"]["Statement"]
    assert allow["Principal"] == {"Service": "sns.amazonaws.com"}
    assert allow["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Ref": "MessageTopic"}}}
    assert (deny["Effect"], deny["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_the_topic_is_tls_only_and_opens_to_nobody_who_was_not_named(of_type: OfType) -> None:
    """What CloudFormation's provider calls on the topic to make a subscription: GetTopicAttributes, Subscribe."""
    deny, *rest = of_type("AWS::SNS::TopicPolicy")["MessageTopicPolicy"]["PolicyDocument"]["Statement"]
    assert (deny["Effect"], deny["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    assert [each["Fn::If"][0] for each in rest] == ["HasSubscriberAccounts"] * 2
    assert [each["Fn::If"][2] for each in rest] == [NO_VALUE] * 2
    subscribe, look = (each["Fn::If"][1] for each in rest)
    assert (subscribe["Action"], look["Action"]) == ("sns:Subscribe", "sns:GetTopicAttributes")
    for each in (subscribe, look):
        assert each["Principal"] == {"AWS": {"Ref": "SubscriberAccounts"}}
        assert each["Resource"] == {"Ref": "MessageTopic"}


def test_another_accounts_subscription_is_a_function_or_a_queue(of_type: OfType) -> None:
    """An e-mail address or a web server of theirs would get customers' messages."""
    statements = of_type("AWS::SNS::TopicPolicy")["MessageTopicPolicy"]["PolicyDocument"]["Statement"]
    (subscribe,) = (chosen(each) for each in statements if chosen(each)["Action"] == "sns:Subscribe")
    assert subscribe["Condition"] == {"StringEquals": {"sns:Protocol": ["lambda", "sqs"]}}


def test_what_may_be_the_only_copy_of_a_message_outlives_the_stack(
    resources: dict[str, dict[str, Any]],
) -> None:
    for name in ("DeadLetterQueue", "MessageQueue"):
        queue = resources[name]
        assert (queue["DeletionPolicy"], queue["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_the_redriver_alone_may_be_in_a_chain_of_any_length(of_type: OfType) -> None:
    functions = of_type("AWS::Serverless::Function")
    allowed = {name for name, each in functions.items() if each.get("RecursiveLoop") == "Allow"}
    assert allowed == {"DeadLetterRedriverFunction"}


def test_topic_and_queue_are_encrypted(of_type: OfType) -> None:
    assert of_type("AWS::SNS::Topic")["MessageTopic"]["KmsMasterKeyId"] == "alias/aws/sns"
    assert of_type("AWS::SQS::Queue")["DeadLetterQueue"]["SqsManagedSseEnabled"] is True


@pytest.mark.parametrize(
    ("permission", "source"), [("ProcessorPermission", "MessageTopic"), ("WebhookPermission", "WebhookApi")]
)
def test_only_our_topic_and_our_api_may_invoke(of_type: OfType, permission: str, source: str) -> None:
    assert source in json.dumps(of_type("AWS::Lambda::Permission")[permission]["SourceArn"])


# ---- what Lambda takes ----

VARIABLES_BYTES = 4096
LONGEST_ARN_OR_URL = 200
REPLY_BYTES = 3000
OF_ONE_BYTE = {
    "DatabaseSecretArn", "DatabaseHost", "DatabaseName", "DatabasePort", "PublicWebhookUrl", "PreviousWebhookUrl", "HighPriorityNumbers",
    "OldQueueArn",
}  # fmt: skip
"""ASCII, or, as the name, of so many bytes for PostgreSQL as well."""


def longest(value: object, parameters: dict[str, Properties], *, has_secret: bool) -> int:
    """How many bytes a variable has at most, by either way to the database; a letter may have four."""
    if value == NO_VALUE:
        return 0
    if isinstance(value, dict) and "Fn::If" in value:
        condition, *both = value["Fn::If"]
        either = [both[not has_secret]] if condition == "HasDatabaseSecret" else both
        return max(longest(each, parameters, has_secret=has_secret) for each in either)
    if isinstance(value, dict) and (name := value.get("Ref")) in parameters:
        bytes_each = 1 if name in OF_ONE_BYTE else 4
        return REPLY_BYTES if name == "ReplyText" else bytes_each * parameters[name].get("MaxLength", 5)
    return len(value) if isinstance(value, str) else LONGEST_ARN_OR_URL


@pytest.mark.parametrize("has_secret", [False, True])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_functions_variables_fit_however_long_the_parameters_are(
    template: dict[str, Any], functions: dict[str, Properties], name: str, has_secret: bool
) -> None:
    variables = functions[name].get("Environment", {}).get("Variables", {})
    taken = sum(
        len(each) + longest(value, template["Parameters"], has_secret=has_secret)
        for each, value in variables.items()
    )
    assert taken <= VARIABLES_BYTES


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("", True),
        ("x" * 1600, True),
        ("one\nline " * 160, True),
        ("x" * 1601, False),
        ("\u00e9" * 750, True),
        ("\u00e9" * 751, False),
        ("\U0001f69a" * 750, True),
        ("x" * 750 + "\U0001f69a", False),
    ],
)
def test_a_reply_fits_by_its_bytes(template: dict[str, Any], text: str, fits: bool) -> None:
    reply = template["Parameters"]["ReplyText"]
    taken = bool(re.fullmatch(reply["AllowedPattern"], text)) and len(text) <= reply["MaxLength"]
    assert taken is fits
    assert not fits or len(text.encode()) <= REPLY_BYTES


# ---- secrets ----


@pytest.mark.parametrize(
    ("parameter", "secrets"),
    [("TwilioAuthToken", {"TwilioSecret", "Secret"}), ("DatabaseUrl", {"DatabaseSecret", "Secret"})],
)
def test_a_secret_is_never_shown_and_goes_only_into_its_secret(
    template: dict[str, Any], parameter: str, secrets: set[str]
) -> None:
    assert template["Parameters"][parameter]["NoEcho"] is True
    assert not template["Parameters"][parameter].get("Default")
    rest = {name: each for name, each in template["Resources"].items() if name not in secrets}
    told = json.dumps([rest, template["Outputs"], template["Globals"]])
    assert f'"{parameter}"' not in told
    assert f"${{{parameter}}}" not in told


def access_log(of_type: OfType) -> dict[str, str]:
    """The fields of a line and what API Gateway puts into them."""
    found: dict[str, str] = json.loads(
        of_type("AWS::ApiGatewayV2::Stage")["WebhookStage"]["AccessLogSettings"]["Format"]
    )
    return found


def test_the_access_log_holds_neither_query_nor_body_nor_headers(of_type: OfType) -> None:
    variables = set(access_log(of_type).values())
    assert variables
    assert all(value.startswith("$context.") for value in variables)
    assert not any(
        word in value for value in variables for word in ("query", "path", "header", "body", "authorizer")
    )


# ---- webhook ----


def test_the_route_reaches_the_webhook_function(of_type: OfType) -> None:
    (route,) = of_type("AWS::ApiGatewayV2::Route").values()
    (integration,) = of_type("AWS::ApiGatewayV2::Integration").values()
    assert route["RouteKey"] == "POST /webhook"
    assert integration["IntegrationUri"] == {"Fn::GetAtt": ["WebhookHandlerFunction", "Arn"]}
    assert integration["PayloadFormatVersion"] == "2.0"


def test_the_url_that_is_verified_is_the_url_that_is_printed(
    template: dict[str, Any], functions: dict[str, Properties]
) -> None:
    verified = functions["WebhookHandlerFunction"]["Environment"]["Variables"]["PUBLIC_WEBHOOK_URL"]
    assert verified == template["Outputs"]["WebhookUrl"]["Value"]


def test_the_apis_own_url_and_a_previous_one_are_verified_too(functions: dict[str, Properties]) -> None:
    variables = functions["WebhookHandlerFunction"]["Environment"]["Variables"]
    (_, _, own) = variables["PUBLIC_WEBHOOK_URL"]["Fn::If"]
    assert variables["API_WEBHOOK_URL"] == own
    assert variables["PREVIOUS_WEBHOOK_URL"] == {"Ref": "PreviousWebhookUrl"}


# ---- names ----


def test_every_name_carries_the_environment(resources: dict[str, Any]) -> None:
    """Otherwise two environments in one account collide."""
    properties = {
        "TopicName",
        "QueueName",
        "FunctionName",
        "LogGroupName",
        "AlarmName",
        "DashboardName",
        "Name",
    }
    for logical_id, resource in resources.items():
        for name in properties & set(resource["Properties"]):
            value = resource["Properties"][name]
            if logical_id == "MessageQueueMapping":
                value = value["Fn::Select"][1][0]
            assert "${Environment}" in value.get("Fn::Sub", "") or "Ref" in value, f"{logical_id}.{name}"


def test_outputs_are_what_the_command_line_discovers(template: dict[str, Any]) -> None:
    assert set(template["Outputs"]) == OUTPUTS


def test_nothing_would_replace_the_topic_that_others_import(of_type: OfType) -> None:
    """Of what makes CloudFormation replace a topic it has its name alone, and that follows from the environment's. A deploy
    that would replace it is refused while it is imported; the emulator does not."""
    topic = of_type("AWS::SNS::Topic")["MessageTopic"]
    assert topic["TopicName"] == {"Fn::Sub": "b2b-pilot-messages-${Environment}"}
    assert "FifoTopic" not in topic


def test_subscribers_stacks_import_the_topic_and_the_alarm_topic(template: dict[str, Any]) -> None:
    """An export in use is neither deleted nor replaced by CloudFormation (decision 38)."""
    exported = {
        name: each["Export"]["Name"] for name, each in template["Outputs"].items() if "Export" in each
    }
    assert exported == {
        name: {"Fn::Sub": f"b2b-pilot-${{Environment}}-{name}"} for name in ("TopicArn", "AlarmTopicArn")
    }
    assert template["Outputs"]["TopicArn"]["Value"] == {"Ref": "MessageTopic"}
    assert "Condition" not in template["Outputs"]["TopicArn"]
    alarms = template["Outputs"]["AlarmTopicArn"]
    assert (alarms["Condition"], alarms["Value"]) == ("HasAlarmTopic", {"Ref": "AlarmTopicArn"})


# ---- alarms, metrics, dashboard ----


@pytest.mark.parametrize(
    ("alarm", "metric"),
    [
        ("SNSFailedDeliveryAlarm", "NumberOfNotificationsFailed"),
        ("SNSFailedRedriveAlarm", "NumberOfNotificationsFailedToRedriveToDlq"),
        ("DLQAlarm", "ApproximateNumberOfMessagesVisible"),
        ("OldestDeadLetterAlarm", "ApproximateNumberOfMessagesVisible"),
        ("MessagesWaitingAlarm", "ApproximateNumberOfMessagesVisible"),
        ("ProcessorErrorAlarm", "Errors"),
        ("ProcessorThrottlesAlarm", "Throttles"),
        ("AsyncEventAgeAlarm", "AsyncEventAge"),
        ("DeadLetterErrorsAlarm", "DeadLetterErrors"),
        ("WebhookServerErrorAlarm", "5xx"),
        ("MessagesRefusedAlarm", "MessagesRefused"),
        ("WebhookClientErrorAlarm", "WebhookClientErrors"),
        ("StaleErrorAlarm", "Errors"),
        ("StaleNotRunningAlarm", "Invocations"),
        ("RedriverErrorAlarm", "Errors"),
        ("StaleBacklogAlarm", "StaleBacklog"),
        ("MessagesAbandonedAlarm", "MessagesAbandoned"),
    ],
)
def test_what_an_operator_must_hear_about_has_its_alarm(of_type: OfType, alarm: str, metric: str) -> None:
    assert of_type("AWS::CloudWatch::Alarm")[alarm]["MetricName"] == metric


def test_alarms_notify_when_a_topic_is_given(of_type: OfType) -> None:
    actions = {"Fn::If": ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}
    for name, alarm in of_type("AWS::CloudWatch::Alarm").items():
        assert (alarm["AlarmActions"], alarm["OKActions"]) == (actions, actions), name


def test_without_data_only_the_alarm_on_what_does_not_run_rings(of_type: OfType) -> None:
    alarms = of_type("AWS::CloudWatch::Alarm")
    missing = {name: alarm["TreatMissingData"] for name, alarm in alarms.items()}
    assert {name for name, state in missing.items() if state != "notBreaching"} == {"StaleNotRunningAlarm"}
    assert missing["StaleNotRunningAlarm"] == "breaching"


def test_a_stale_processor_that_has_not_run_for_15_minutes_is_heard_of(of_type: OfType) -> None:
    alarm = of_type("AWS::CloudWatch::Alarm")["StaleNotRunningAlarm"]
    assert alarm["Dimensions"] == [
        {"Name": "FunctionName", "Value": {"Ref": "StaleMessageProcessorFunction"}}
    ]
    assert (alarm["Statistic"], alarm["Period"] * alarm["EvaluationPeriods"]) == ("Sum", 900)
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)


@pytest.mark.parametrize(
    ("metric", "group", "event", "value"),
    [
        ("MessagesStored", "BackgroundProcessor", "stored", "1"),
        ("MessagesDuplicate", "BackgroundProcessor", "duplicate", "1"),
        ("MessagesFailed", "BackgroundProcessor", "failed", "1"),
        ("EndToEndLatency", "BackgroundProcessor", "stored", "$.latency_ms"),
        ("WebhookRejected", "WebhookHandler", "rejected", "1"),
        ("StatusCallbacks", "WebhookHandler", "status_callback", "1"),
        ("StaleBacklog", "StaleMessageProcessor", "stale_run", "$.backlog"),
        ("MessagesAbandoned", "StaleMessageProcessor", "stale_run", "$.abandoned"),
    ],
)
def test_log_lines_become_metrics(of_type: OfType, metric: str, group: str, event: str, value: str) -> None:
    metric_filter = of_type("AWS::Logs::MetricFilter")[f"{metric}Metric"]
    (made,) = metric_filter["MetricTransformations"]
    assert metric_filter["LogGroupName"] == {"Ref": f"{group}LogGroup"}
    assert metric_filter["FilterPattern"] == f'{{ $.event = "{event}" }}'
    assert (made["MetricName"], made["MetricValue"]) == (metric, value)
    assert made["MetricNamespace"] == {"Fn::Sub": "B2BPilot/${Environment}"}


REFUSED = {"event": "rejected", "message_id": message_id_for("SM0"), "reason": "the signature does not match"}


@pytest.mark.parametrize(
    ("line", "is_counted"),
    [
        (REFUSED, True),
        (REFUSED | {"message_id": None}, False),
        (REFUSED | {"message_id": PROBE_MESSAGE_ID}, False),
        (REFUSED | {"event": "published"}, False),
    ],
    ids=["a message", "no message", "our probe", "not refused"],
)
def test_a_refused_request_is_counted_when_it_claims_a_message(
    of_type: OfType, line: dict[str, object], is_counted: bool
) -> None:
    metric_filter = of_type("AWS::Logs::MetricFilter")["MessagesRefusedMetric"]
    assert metric_filter["LogGroupName"] == {"Ref": "WebhookHandlerLogGroup"}
    assert counts(metric_filter, line) is is_counted


@pytest.mark.parametrize(
    ("status", "caller", "is_counted"),
    [
        ("403", "TwilioProxy/1.1", True),
        ("404", "TwilioProxy/1.1", True),
        ("200", "TwilioProxy/1.1", False),
        ("503", "TwilioProxy/1.1", False),
        ("404", "Mozilla/5.0 zgrab/0.x", False),
        ("403", "curl/8.5", False),
        ("429", "Amazon CloudFront", True),
    ],
)
def test_a_4xx_is_counted_for_twilio_and_a_429_for_everybody(
    of_type: OfType, status: str, caller: str, is_counted: bool
) -> None:
    values = {"$context.status": status, "$context.identity.userAgent": caller}
    line = {name: values.get(variable, "-") for name, variable in access_log(of_type).items()}
    metric_filter = of_type("AWS::Logs::MetricFilter")["WebhookClientErrorsMetric"]
    assert metric_filter["LogGroupName"] == {"Ref": "WebhookAccessLogGroup"}
    assert counts(metric_filter, line) is is_counted


def counts(metric_filter: Properties, line: Mapping[str, object]) -> bool:
    return log_pattern(metric_filter["FilterPattern"])(line)


def test_the_dashboard_is_the_regions_own(of_type: OfType) -> None:
    (dashboard,) = of_type("AWS::CloudWatch::Dashboard").values()
    assert dashboard["DashboardName"] == {"Fn::Sub": "b2b-pilot-${Environment}-${AWS::Region}"}


def test_the_dashboard_is_json_and_shows_every_alarm(of_type: OfType) -> None:
    (dashboard,) = of_type("AWS::CloudWatch::Dashboard").values()
    body, variables = dashboard["DashboardBody"]["Fn::Sub"]
    condition, with_express, without = variables["ExpressAlarms"]["Fn::If"]
    assert (condition, without) == ("HasExpress", "")
    widgets = json.loads(body.replace("${ExpressAlarms}", with_express["Fn::Sub"]))["widgets"]
    (shown,) = (widget["properties"]["alarms"] for widget in widgets if widget["type"] == "alarm")
    assert set(shown) == {f"${{{name}.Arn}}" for name in of_type("AWS::CloudWatch::Alarm")}
    assert json.loads(body.replace("${ExpressAlarms}", without))


# ---- parameters ----


def accepts(template: dict[str, Any], parameter: str, value: str) -> bool:
    return re.fullmatch(template["Parameters"][parameter]["AllowedPattern"], value) is not None


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("Environment", "prod"),
        ("TwilioAccountSid", "AC" + "0a" * 16),
        ("DatabaseUrl", "postgresql://user:p%22w@db.example.com:5432/b2b?sslmode=verify-full"),
        ("DatabaseUrl", "postgresql:///postgres?host=/tmp/pg"),
        ("DatabaseUrl", ""),
        ("DatabaseSecretArn", ""),
        (
            "DatabaseSecretArn",
            "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rds!db-3f0bd8e6-1a-AbCdEf",
        ),
        (
            "DatabaseSecretArn",
            "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:team/b2b-AbCdEf",
        ),
        ("DatabaseHost", "db.cluster-abc.eu-west-1.rds.amazonaws.com"),
        ("DatabaseName", "b2b-pilot"),
        ("PublicWebhookUrl", ""),
        ("PublicWebhookUrl", "https://hooks.example.com/webhook?tenant=1"),
        ("PublicWebhookUrl", "http://127.0.0.1:4566/webhook"),
        ("PreviousWebhookUrl", ""),
        ("PreviousWebhookUrl", "https://old.example.com/webhook"),
        ("PublicWebhookUrl", "http://abc123.execute-api.localhost:4566/webhook"),
        ("AlarmTopicArn", "arn:aws:sns:eu-central-1:123456789012:on-call"),
        ("SubnetIds", "subnet-0123456789abcdef0"),
        ("SubscriberAccounts", ""),
        ("SubscriberAccounts", "123456789012"),
    ],
)
def test_a_parameter_accepts_what_is_right(template: dict[str, Any], parameter: str, value: str) -> None:
    assert accepts(template, parameter, value)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("Environment", "Prod"),
        ("Environment", "a-name-of-more-than-twenty"),
        ("TwilioAccountSid", "SM" + "0a" * 16),
        ("TwilioAuthToken", 'quo"te'),
        ("DatabaseUrl", "host=db.example.com user=b2b"),
        ("DatabaseUrl", 'postgresql://user:p"w@db.example.com/b2b'),
        ("DatabaseUrl", "postgresql://user:p/w@db.example.com/b2b"),
        ("DatabaseUrl", "postgresql://user:12/w@db.example.com/b2b"),
        ("DatabaseUrl", "postgresql://user:p@w@db.example.com/b2b"),
        ("DatabaseUrl", "postgresql://user:p?w@db.example.com/b2b"),
        ("DatabaseSecretArn", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:team/b2b"),
        ("DatabaseSecretArn", "rds!db-3f0bd8e6-AbCdEf"),
        ("DatabaseHost", "db.example.com password=x"),
        ("DatabasePort", "postgres"),
        ("DatabaseName", "b2b sslmode=disable"),
        ("PublicWebhookUrl", "http://hooks.example.com/webhook"),
        ("PublicWebhookUrl", "https://hooks.example.com/webhook#rc=3"),
        ("PreviousWebhookUrl", "http://old.example.com/webhook"),
        ("AlarmTopicArn", "on-call"),
        ("SubnetIds", "vpc-0123456789abcdef0"),
        ("SubscriberAccounts", "12345678901"),
        ("SubscriberAccounts", "*"),
        ("SubscriberAccounts", "arn:aws:iam::123456789012:root"),
    ],
)
def test_a_parameter_refuses_what_would_fail_later(
    template: dict[str, Any], parameter: str, value: str
) -> None:
    assert not accepts(template, parameter, value)
