"""Ways to break a deployment through AWS's public APIs, each with the code of the check that has to find it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.local.verify_stage import Stage

Act = Callable[[Stage], None]
ANOTHER_TOPIC = "arn:aws:sns:us-east-1:000000000001:another"
EVERYBODY = {"Sid": "Everybody", "Effect": "Allow", "Principal": "*"}


def _nothing(_: Stage) -> None: ...


@dataclass(frozen=True)
class Breakage:
    """`after` puts right what the printed command cannot, or leaves behind. Not `fixed`: there is no command for it."""

    code: str
    what: str
    do: Act
    after: Act = _nothing
    fixed: bool = True


def webhook_calls_another_function(stage: Stage) -> None:
    api = stage.aws("apigatewayv2")
    (integration,) = api.get_integrations(ApiId=stage.stack.api_id)["Items"]
    stale = stage.function_arn(stage.stack.stale_function_name)
    api.update_integration(
        ApiId=stage.stack.api_id, IntegrationId=integration["IntegrationId"], IntegrationUri=stale
    )


def webhook_route_deleted(stage: Stage) -> None:
    api = stage.aws("apigatewayv2")
    (route,) = api.get_routes(ApiId=stage.stack.api_id)["Items"]
    api.delete_route(ApiId=stage.stack.api_id, RouteId=route["RouteId"])


def statement_taken_from_role(function: str, policy: str, sid: str) -> tuple[Act, Act]:
    """Without one statement; and with it again, and without what the command added."""
    taken: dict[str, object] = {}

    def do(stage: Stage) -> None:
        role = stage.role(getattr(stage.stack, function))
        document = stage.aws("iam").get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
        taken["document"] = document
        if rest := [one for one in document["Statement"] if one.get("Sid") != sid]:
            put(stage, {**document, "Statement": rest})
        else:
            stage.aws("iam").delete_role_policy(RoleName=role, PolicyName=policy)

    def after(stage: Stage) -> None:
        role = stage.role(getattr(stage.stack, function))
        put(stage, taken["document"])
        for name in stage.aws("iam").list_role_policies(RoleName=role)["PolicyNames"]:
            if name.startswith("b2bpilot-"):
                stage.aws("iam").delete_role_policy(RoleName=role, PolicyName=name)

    def put(stage: Stage, document: object) -> None:
        role = stage.role(getattr(stage.stack, function))
        stage.aws("iam").put_role_policy(
            RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document)
        )

    return do, after


def role_breakage(code: str, function: str, policy: str, sid: str) -> Breakage:
    do, after = statement_taken_from_role(function, policy, sid)
    return Breakage(code, f"role lacks {sid}", do, after)


def mapping(**settings: object) -> Act:
    """The redriver's, with other settings."""

    def act(stage: Stage) -> None:
        stage.aws("lambda").update_event_source_mapping(UUID=stage.stack.redriver_mapping_id, **settings)

    return act


def message_mapping(**settings: object) -> Act:
    def act(stage: Stage) -> None:
        stage.aws("lambda").update_event_source_mapping(UUID=stage.stack.message_mapping_id, **settings)

    return act


def message_in_the_queue(stage: Stage) -> None:
    stage.aws("sqs").send_message(QueueUrl=stage.stack.message_queue_url, MessageBody="left")


def no_message_in_the_queue(stage: Stage) -> None:
    stage.aws("sqs").purge_queue(QueueUrl=stage.stack.message_queue_url)


def unsubscribed(stage: Stage) -> None:
    stage.aws("sns").unsubscribe(SubscriptionArn=stage.subscribed())


def another_function_subscribed(stage: Stage) -> None:
    unsubscribed(stage)
    stage.aws("sns").subscribe(
        TopicArn=stage.stack.topic_arn,
        Protocol="lambda",
        Endpoint=stage.function_arn(stage.stack.stale_function_name),
    )


def unsubscribe_others(stage: Stage) -> None:
    for one in stage.subscriptions():
        if not one["Endpoint"].endswith(stage.stack.processor_function_name):
            stage.aws("sns").unsubscribe(SubscriptionArn=one["SubscriptionArn"])


def another_s_dead_letters_come_here(stage: Stage) -> None:
    """Right but for that, as the checks of subscribers see it."""
    name, stack = "somebody-elses", stage.stack
    arn = f"arn:aws:sqs:{stack.region}:{stack.account_id}:{name}"
    admission = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": stack.topic_arn}},
    }
    own = {"deadLetterTargetArn": stack.dead_letter_queue_arn, "maxReceiveCount": 5}
    attributes = {"Policy": json.dumps({"Statement": [admission]}), "RedrivePolicy": json.dumps(own)}
    stage.aws("sqs").create_queue(QueueName=name, Attributes=attributes)
    policy = json.dumps({"deadLetterTargetArn": stack.dead_letter_queue_arn})
    stage.aws("sns").subscribe(
        TopicArn=stack.topic_arn, Protocol="sqs", Endpoint=arn, Attributes={"RedrivePolicy": policy}
    )


def subscription_pending(stage: Stage) -> None:
    stage.aws("sns").subscribe(
        TopicArn=stage.stack.topic_arn, Protocol="http", Endpoint="http://127.0.0.1:9/nobody?key=secret"
    )


def everybody_may_publish(stage: Stage) -> None:
    policy = stage.aws("sns").get_topic_attributes(TopicArn=stage.stack.topic_arn)["Attributes"]["Policy"]
    statement = EVERYBODY | {"Action": "sns:Publish", "Resource": stage.stack.topic_arn}
    document = json.loads(policy)
    stage.topic("Policy", json.dumps({**document, "Statement": [*document["Statement"], statement]}))


def everybody_may_receive(stage: Stage) -> None:
    document = stage.queue_policy()
    statement = EVERYBODY | {"Action": "sqs:ReceiveMessage", "Resource": stage.stack.dead_letter_queue_arn}
    stage.queue(Policy=json.dumps({**document, "Statement": [*document["Statement"], statement]}))


def everybody_out_of_the_queue(stage: Stage) -> None:
    document = stage.queue_policy()
    kept = [one for one in document["Statement"] if one["Sid"] != "Everybody"]
    stage.queue(Policy=json.dumps({**document, "Statement": kept}))


def plain_http_into_the_queue(stage: Stage) -> None:
    document = stage.queue_policy()
    kept = [one for one in document["Statement"] if one["Sid"] != "DenyPlainHttp"]
    stage.queue(Policy=json.dumps({**document, "Statement": kept}))


def queue_with_redrive_policy(stage: Stage) -> None:
    policy = {"deadLetterTargetArn": stage.stack.dead_letter_queue_arn, "maxReceiveCount": "3"}
    stage.queue(RedrivePolicy=json.dumps(policy))


def event_invoke(retries: int = 2, age: int = 21_600, failures_to: str | None = None) -> Act:
    def do(stage: Stage) -> None:
        destination = {"OnFailure": {"Destination": getattr(stage.stack, failures_to)}} if failures_to else {}
        stage.aws("lambda").put_function_event_invoke_config(
            FunctionName=stage.stack.processor_function_name,
            MaximumRetryAttempts=retries,
            MaximumEventAgeInSeconds=age,
            DestinationConfig=destination,
        )

    return do


def concurrency(runs: int) -> Act:
    return lambda stage: stage.aws("lambda").put_function_concurrency(
        FunctionName=stage.stack.processor_function_name, ReservedConcurrentExecutions=runs
    )


def lines_for_ever(group: str) -> Act:
    return lambda stage: stage.aws("logs").delete_retention_policy(
        logGroupName=f"/aws/lambda/{getattr(stage.stack, group)}"
    )


def stream_of_reports(stage: Stage) -> tuple[str, str]:
    return f"/aws/lambda/{stage.stack.processor_function_name}", "reports-of-a-test"


def memory_nearly_used_up(stage: Stage) -> None:
    group, stream = stream_of_reports(stage)
    report = {"type": "platform.report", "record": {"metrics": {"memorySizeMB": 512, "maxMemoryUsedMB": 500}}}
    stage.aws("logs").create_log_stream(logGroupName=group, logStreamName=stream)
    stage.aws("logs").put_log_events(
        logGroupName=group,
        logStreamName=stream,
        logEvents=[{"timestamp": int(datetime.now(UTC).timestamp() * 1000), "message": json.dumps(report)}],
    )


def reports_deleted(stage: Stage) -> None:
    group, stream = stream_of_reports(stage)
    stage.aws("logs").delete_log_stream(logGroupName=group, logStreamName=stream)
    stage.configure(stage.stack.processor_function_name, MemorySize=512)


def dead_letter(stage: Stage) -> None:
    """Delayed: the alarm on the queue counts visible ones, and would be on with it."""
    url = stage.stack.dead_letter_queue_url
    stage.aws("sqs").send_message(QueueUrl=url, MessageBody="{}", DelaySeconds=900)


def no_dead_letters(stage: Stage) -> None:
    stage.aws("sqs").purge_queue(QueueUrl=stage.stack.dead_letter_queue_url)


def schedule(**changes: object) -> Act:
    def do(stage: Stage) -> None:
        scheduler = stage.aws("scheduler")
        found = scheduler.get_schedule(Name=stage.stack.schedule_name)
        kept = {
            name: found[name]
            for name in ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target", "State")
        }
        scheduler.update_schedule(**(kept | changes))

    return do


def schedule_of_another_function(stage: Stage) -> None:
    found = stage.aws("scheduler").get_schedule(Name=stage.stack.schedule_name)
    webhook = stage.function_arn(stage.stack.webhook_function_name)
    schedule(Target={**found["Target"], "Arn": webhook})(stage)


def alarm_watches_another_queue(stage: Stage) -> None:
    stage.aws("cloudwatch").put_metric_alarm(
        AlarmName="b2b-pilot-dlq-local",
        Namespace="AWS/SQS",
        MetricName="ApproximateNumberOfMessagesVisible",
        Dimensions=[{"Name": "QueueName", "Value": "another"}],
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
    )


def errors_of_the_redriver(number: int, *, seconds_ago: int) -> Act:
    """What an alarm is on for: its state cannot be set for longer than until it is decided anew."""

    def count(stage: Stage) -> None:
        datum = {
            "MetricName": "Errors",
            "Dimensions": [{"Name": "FunctionName", "Value": stage.stack.redriver_function_name}],
            "Timestamp": datetime.now(UTC) - timedelta(seconds=seconds_ago),
            "Value": number,
        }
        stage.aws("cloudwatch").put_metric_data(Namespace="AWS/Lambda", MetricData=[datum])

    return count


BREAKAGES = (
    Breakage("B2B021", "integration of another function", webhook_calls_another_function),
    Breakage("B2B021", "route deleted", webhook_route_deleted),
    Breakage("B2B022", "API permission removed", lambda s: s.forbid_all(s.stack.webhook_function_name)),
    Breakage(
        "B2B024",
        "wrong webhook URL",
        lambda s: s.tell(s.stack.webhook_function_name, PUBLIC_WEBHOOK_URL="https://old.example.com/webhook"),
    ),
    Breakage(
        "B2B025",
        "another topic",
        lambda s: s.tell(s.stack.webhook_function_name, SNS_TOPIC_ARN=ANOTHER_TOPIC),
    ),
    role_breakage("B2B026", "webhook_function_name", "WebhookHandler", "PublishMessages"),
    Breakage("B2B027", "timeout 3 s", lambda s: s.configure(s.stack.webhook_function_name, Timeout=3)),
    Breakage("B2B028", "lines kept for ever", lines_for_ever("webhook_function_name")),
    Breakage("B2B031", "no key", lambda s: s.topic("KmsMasterKeyId", "")),
    Breakage(
        "B2B031",
        "plain HTTP taken",
        lambda s: s.topic("Policy", '{"Version": "2012-10-17", "Statement": []}'),
    ),
    Breakage("B2B032", "topic public", everybody_may_publish),
    Breakage("B2B033", "unsubscribed", unsubscribed),
    Breakage("B2B034", "another function subscribed", another_function_subscribed, unsubscribe_others),
    Breakage("B2B035", "subscription pending", subscription_pending, unsubscribe_others, fixed=False),
    Breakage("B2B036", "filter policy", lambda s: s.subscription("FilterPolicy", '{"source": ["web"]}')),
    Breakage(
        "B2B037", "subscription's redrive policy removed", lambda s: s.subscription("RedrivePolicy", "{}")
    ),
    Breakage("B2B041", "SNS permission removed", lambda s: s.forbid_all(s.stack.processor_function_name)),
    Breakage(
        "B2B042",
        "DLQ removed from the function",
        lambda s: s.configure(s.stack.processor_function_name, DeadLetterConfig={"TargetArn": ""}),
    ),
    role_breakage("B2B043", "processor_function_name", "BackgroundProcessor", "SendDeadLetters"),
    role_breakage("B2B044", "processor_function_name", "ReadDatabaseSecret", "ReadDatabaseSecret"),
    Breakage("B2B045", "timeout 3 s", lambda s: s.configure(s.stack.processor_function_name, Timeout=3)),
    Breakage("B2B046", "concurrency 0", concurrency(0)),
    Breakage("B2B047", "concurrency 3", concurrency(3)),
    Breakage("B2B048", "no retries", event_invoke(retries=0)),
    Breakage("B2B049", "events kept a minute", event_invoke(age=60)),
    Breakage("B2B050", "on-failure destination", event_invoke(failures_to="dead_letter_queue_arn")),
    Breakage(
        "B2B051",
        "another secret",
        lambda s: s.tell(s.stack.processor_function_name, DATABASE_SECRET_ARN="another"),
    ),
    Breakage(
        "B2B052",
        "old runtime",
        lambda s: s.configure(s.stack.redriver_function_name, Runtime="python3.9"),
        lambda s: s.configure(s.stack.redriver_function_name, Runtime="python3.13"),
        fixed=False,
    ),
    Breakage("B2B053", "memory nearly used up", memory_nearly_used_up, reports_deleted),
    Breakage("B2B054", "lines kept for ever", lines_for_ever("processor_function_name")),
    Breakage("B2B061", "queue policy removed", lambda s: s.queue(Policy="")),
    Breakage("B2B062", "DLQ with a redrive policy", queue_with_redrive_policy),
    Breakage("B2B063", "retention 60 s", lambda s: s.queue(MessageRetentionPeriod="60")),
    Breakage("B2B065", "a dead letter", dead_letter, no_dead_letters, fixed=False),
    Breakage(
        "B2B105",
        "another subscriber's dead letters",
        another_s_dead_letters_come_here,
        unsubscribe_others,
        fixed=False,
    ),
    Breakage("B2B066", "queue not encrypted", lambda s: s.queue(SqsManagedSseEnabled="false")),
    Breakage("B2B066", "plain HTTP taken", plain_http_into_the_queue),
    Breakage("B2B067", "queue public", everybody_may_receive),
    Breakage("B2B068", "dead letters of 256 KiB at most", lambda s: s.queue(MaximumMessageSize="262144")),
    Breakage(
        "B2B069",
        "redriver on without a run",
        lambda s: s.aws("lambda").update_event_source_mapping(UUID=s.stack.redriver_mapping_id, Enabled=True),
    ),
    Breakage(
        "B2B175",
        "redriver with a filter",
        mapping(FilterCriteria={"Filters": [{"Pattern": json.dumps({"body": {"a": ["b"]}})}]}),
    ),
    Breakage("B2B175", "redriver at 8 a time", mapping(ScalingConfig={"MaximumConcurrency": 8})),
    Breakage("B2B175", "redriver without reports", mapping(FunctionResponseTypes=[])),
    Breakage("B2B178", "a message in the queue", message_in_the_queue, no_message_in_the_queue, fixed=False),
    Breakage("B2B179", "the queue emptied", message_mapping(Enabled=True)),
    Breakage("B2B179", "the queue without reports", message_mapping(FunctionResponseTypes=[])),
    Breakage(
        "B2B104",
        "redriver of another processor",
        lambda s: s.tell(s.stack.redriver_function_name, PROCESSOR_FUNCTION_NAME="another"),
    ),
    Breakage("B2B071", "schedule disabled", schedule(State="DISABLED")),
    Breakage("B2B071", "schedule of another function", schedule_of_another_function),
    Breakage("B2B073", "timeout 3 s", lambda s: s.configure(s.stack.stale_function_name, Timeout=3)),
    Breakage(
        "B2B073", "another topic", lambda s: s.tell(s.stack.stale_function_name, SNS_TOPIC_ARN=ANOTHER_TOPIC)
    ),
    role_breakage("B2B074", "stale_function_name", "StaleMessageProcessor", "PublishMessages"),
    Breakage(
        "B2B086",
        "alarm deleted",
        lambda s: s.aws("cloudwatch").delete_alarms(AlarmNames=["b2b-pilot-messages-abandoned-local"]),
    ),
    Breakage("B2B086", "alarm of another queue", alarm_watches_another_queue),
    Breakage(
        "B2B087",
        "alarms silenced",
        lambda s: s.aws("cloudwatch").disable_alarm_actions(
            AlarmNames=["b2b-pilot-dlq-local", "b2b-pilot-processor-errors-local"]
        ),
    ),
    Breakage(
        "B2B089",
        "an alarm is on",
        errors_of_the_redriver(1, seconds_ago=65),
        errors_of_the_redriver(0, seconds_ago=0),
        fixed=False,
    ),
)
