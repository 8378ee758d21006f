"""The alarms of template.yaml, as data: a test holds the two against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from b2bpilot.advice import Words, our_command
from b2bpilot.aws.stack import StackOutputs
from b2bpilot.ops.verify.commands import aws
from b2bpilot.pipeline.arn import name_of

OURS = "B2BPilot"
"""Stands for our own namespace, which ends with the environment's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmDefinition:
    """One alarm. `dimension` is its only one and the attribute of `StackOutputs` that it names, or an ARN that ends with it."""

    name: str
    description: str
    first: Words
    """What to run when it rings."""
    namespace: str
    metric: str
    dimension: tuple[str, str] | None = None
    statistic: str = "Sum"
    period_seconds: int = 60
    periods: int = 1
    breaching: int | None = None
    comparison: str = "GreaterThanOrEqualToThreshold"
    threshold: int = 1
    missing_data: str = "notBreaching"

    def is_of(self, stack: StackOutputs) -> bool:
        """Whether the stack has what it watches: no express lane, no alarms of it."""
        return self.dimension is None or bool(getattr(stack, self.dimension[1]))

    def full_name(self, stack: StackOutputs) -> str:
        return f"b2b-pilot-{self.name}-{stack.environment}"

    def full_namespace(self, stack: StackOutputs) -> str:
        return f"{OURS}/{stack.environment}" if self.namespace == OURS else self.namespace

    def dimensions(self, stack: StackOutputs) -> Mapping[str, str]:
        if self.dimension is None:
            return {}
        name, attribute = self.dimension
        return {name: name_of(str(getattr(stack, attribute)))}

    def command(self, stack: StackOutputs, actions: Sequence[str]) -> str:
        """Return what makes the alarm, or makes it right again; `actions` are the ARNs that it notifies."""
        dimensions = [f"Name={name},Value={value}" for name, value in self.dimensions(stack).items()]
        return aws(
            "cloudwatch", "put-metric-alarm", "--alarm-name", self.full_name(stack),
            "--alarm-description", self.description,
            "--namespace", self.full_namespace(stack), "--metric-name", self.metric,
            *(["--dimensions", *dimensions] if dimensions else []),
            "--statistic", self.statistic, "--period", str(self.period_seconds),
            "--evaluation-periods", str(self.periods),
            *(["--datapoints-to-alarm", str(self.breaching)] if self.breaching else []),
            "--comparison-operator", self.comparison, "--threshold", str(self.threshold),
            "--treat-missing-data", self.missing_data,
            *(["--alarm-actions", *actions, "--ok-actions", *actions] if actions else []),
        )  # fmt: skip


TOPIC = ("TopicName", "topic_arn")
MESSAGE_QUEUE = ("QueueName", "message_queue_arn")
QUEUE = ("QueueName", "dead_letter_queue_arn")
PROCESSOR = ("FunctionName", "processor_function_name")
EXPRESS = ("FunctionName", "express_function_name")
STALE_PROCESSOR = ("FunctionName", "stale_function_name")

ALARMS = (
    AlarmDefinition(
        name="sns-failed-delivery",
        description="SNS could not deliver to the processor or another subscriber: the function, the queue or its permission is missing",
        first=our_command("subscribers"),
        namespace="AWS/SNS",
        metric="NumberOfNotificationsFailed",
        dimension=TOPIC,
    ),
    AlarmDefinition(
        name="sns-failed-redrive",
        description="SNS could not write to the dead-letter queue either, the processor's or another subscriber's. Twilio still has the message",
        first=our_command("twilio", "reconcile"),
        namespace="AWS/SNS",
        metric="NumberOfNotificationsFailedToRedriveToDlq",
        dimension=TOPIC,
    ),
    AlarmDefinition(
        name="dlq",
        description="Dead letters were in the queue within the last 40 minutes",
        first=our_command("dlq", "list"),
        namespace="AWS/SQS",
        metric="ApproximateNumberOfMessagesVisible",
        dimension=QUEUE,
        statistic="Maximum",
        periods=40,
        breaching=1,
    ),
    AlarmDefinition(
        name="oldest-dead-letter",
        description="Dead letters were in the queue for 7 days on end; SQS deletes each after 14",
        first=our_command("dlq", "list"),
        namespace="AWS/SQS",
        metric="ApproximateNumberOfMessagesVisible",
        dimension=QUEUE,
        statistic="Maximum",
        period_seconds=3600,
        periods=168,
        breaching=166,
    ),
    AlarmDefinition(
        name="messages-waiting",
        description="Messages have been waiting in the message queue for 15 minutes on end; nothing empties it, or not fast enough",
        first=our_command("verify", "--only", "topic"),
        namespace="AWS/SQS",
        metric="ApproximateNumberOfMessagesVisible",
        dimension=MESSAGE_QUEUE,
        statistic="Minimum",
        period_seconds=300,
        periods=3,
    ),
    AlarmDefinition(
        name="processor-errors",
        description="A run of the processor failed; Lambda tries each message three times before it becomes a dead letter",
        first=our_command("logs", "processor", "--since", "1h", "--level", "error"),
        namespace="AWS/Lambda",
        metric="Errors",
        dimension=PROCESSOR,
    ),
    AlarmDefinition(
        name="processor-throttles",
        description="The processor was at its reserved concurrency for five minutes on end",
        first=our_command("verify", "--only", "processor"),
        namespace="AWS/Lambda",
        metric="Throttles",
        dimension=PROCESSOR,
        periods=5,
    ),
    AlarmDefinition(
        name="async-event-age",
        description="Messages wait 10 minutes in Lambda's own queue; after 6 hours Lambda gives up on them",
        first=our_command("verify", "--only", "processor"),
        namespace="AWS/Lambda",
        metric="AsyncEventAge",
        dimension=PROCESSOR,
        statistic="Maximum",
        threshold=600_000,
    ),
    AlarmDefinition(
        name="dead-letter-errors",
        description="Lambda could not write to the dead-letter queue and dropped the event",
        first=our_command("verify", "--only", "dead-letters"),
        namespace="AWS/Lambda",
        metric="DeadLetterErrors",
        dimension=PROCESSOR,
    ),
    AlarmDefinition(
        name="express-errors",
        description="A run of the express processor failed; the processor has the same messages",
        first=our_command("logs", "express", "--since", "1h", "--level", "error"),
        namespace="AWS/Lambda",
        metric="Errors",
        dimension=EXPRESS,
    ),
    AlarmDefinition(
        name="express-event-age",
        description="Messages of high priority wait a minute for the express processor; the processor has them, too",
        first=our_command("verify", "--only", "processor"),
        namespace="AWS/Lambda",
        metric="AsyncEventAge",
        dimension=EXPRESS,
        statistic="Maximum",
        threshold=60_000,
    ),
    AlarmDefinition(
        name="express-dead-letter-errors",
        description="Lambda could not write a dead letter of the express processor and dropped the event",
        first=our_command("verify", "--only", "dead-letters"),
        namespace="AWS/Lambda",
        metric="DeadLetterErrors",
        dimension=EXPRESS,
    ),
    AlarmDefinition(
        name="webhook-5xx",
        description="The webhook answered 5xx; Twilio loses such a message unless retries or a fallback URL are set",
        first=our_command("logs", "webhook", "--since", "1h", "--level", "error"),
        namespace="AWS/ApiGateway",
        metric="5xx",
        dimension=("ApiId", "api_id"),
    ),
    AlarmDefinition(
        name="messages-refused",
        description="The webhook refused what claims to be a message (token or public URL wrong); Twilio does not try again",
        first=our_command("verify", "--only", "webhook"),
        namespace=OURS,
        metric="MessagesRefused",
        period_seconds=300,
    ),
    AlarmDefinition(
        name="webhook-4xx",
        description="Twilio was answered 4xx, or requests came faster than the API takes them; Twilio does not try again",
        first=our_command("twilio", "route"),
        namespace=OURS,
        metric="WebhookClientErrors",
        period_seconds=300,
    ),
    AlarmDefinition(
        name="stale-errors",
        description="The stale message processor failed in three of five minutes; nothing takes over killed runs meanwhile",
        first=our_command("logs", "stale", "--since", "1h", "--level", "error"),
        namespace="AWS/Lambda",
        metric="Errors",
        dimension=STALE_PROCESSOR,
        periods=5,
        breaching=3,
    ),
    AlarmDefinition(
        name="stale-not-running",
        description="The stale message processor has not run for 15 minutes; nothing takes over killed runs meanwhile",
        first=our_command("verify", "--only", "stale"),
        namespace="AWS/Lambda",
        metric="Invocations",
        dimension=STALE_PROCESSOR,
        periods=15,
        comparison="LessThanThreshold",
        missing_data="breaching",
    ),
    AlarmDefinition(
        name="redriver-errors",
        description="The redriver or its guard failed; a redrive with --engine lambda may be left on",
        first=our_command("logs", "redriver", "--since", "1h", "--level", "error"),
        namespace="AWS/Lambda",
        metric="Errors",
        dimension=("FunctionName", "redriver_function_name"),
    ),
    AlarmDefinition(
        name="stale-backlog",
        description="Stale messages have been waiting for 15 minutes on end; the topic or the processor does not take them",
        first=our_command("diagnose", "not-processed"),
        namespace=OURS,
        metric="StaleBacklog",
        statistic="Minimum",
        period_seconds=300,
        periods=3,
    ),
    AlarmDefinition(
        name="messages-abandoned",
        description="A message was published again and not completed after that, or cannot be read; it waits for a person",
        first=our_command("submissions", "stuck"),
        namespace=OURS,
        metric="MessagesAbandoned",
        period_seconds=300,
    ),
)


def alarms_of(stack: StackOutputs) -> tuple[AlarmDefinition, ...]:
    """Return those that a stack like this one has."""
    return tuple(one for one in ALARMS if one.is_of(stack))
