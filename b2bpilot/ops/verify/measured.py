"""What CloudWatch counted in the last day, asked for in one call for all probes."""

from __future__ import annotations

from datetime import timedelta

from b2bpilot.aws.metrics import ACTION, Metric, Point, read, total
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.shared import shared
from b2bpilot.pipeline.arn import name_of

ACTIONS = (ACTION,)
DAY = timedelta(days=1)
PERIOD_SECONDS = 300
OF_TOPIC = (
    "NumberOfNotificationsFailed",
    "NumberOfNotificationsFilteredOut",
    "NumberOfNotificationsFailedToRedriveToDlq",
)
OF_PROCESSOR = ("Invocations", "Errors", "Throttles", "AsyncEventsDropped", "DeadLetterErrors")


def of_topic(deployment: Deployment, name: str) -> Metric:
    topic = name_of(deployment.stack.topic_arn)
    return Metric(namespace="AWS/SNS", name=name, dimensions={"TopicName": topic})


def of_function(function: str, name: str, stat: str = "Sum") -> Metric:
    return Metric(namespace="AWS/Lambda", name=name, dimensions={"FunctionName": function}, stat=stat)


def of_api(deployment: Deployment, name: str) -> Metric:
    return Metric(namespace="AWS/ApiGateway", name=name, dimensions={"ApiId": deployment.stack.api_id})


def of_stack(deployment: Deployment, name: str) -> Metric:
    """One of ours, made of the functions' log lines."""
    return Metric(namespace=f"B2BPilot/{deployment.stack.environment}", name=name)


def event_age(function: str) -> Metric:
    return of_function(function, "AsyncEventAge", "Maximum")


def dead_letter_age(deployment: Deployment) -> Metric:
    queue = name_of(deployment.stack.dead_letter_queue_arn)
    name = "ApproximateAgeOfOldestMessage"
    return Metric(namespace="AWS/SQS", name=name, dimensions={"QueueName": queue}, stat="Maximum")


def count(deployment: Deployment, metric: Metric) -> int:
    """Return the sum over the last day; 0 also where CloudWatch has nothing."""
    return round(total(points(deployment, metric)))


def points(deployment: Deployment, metric: Metric, *, within: timedelta = DAY) -> list[Point]:
    """Return the points of the time before now, newest last, five minutes each. Raises AwsError."""
    found: dict[Metric, list[Point]] = deployment.ask("last day", lambda: _read(deployment))
    begin = deployment.now - within - timedelta(seconds=PERIOD_SECONDS)
    return [point for point in found[metric] if point.at > begin]


def _read(deployment: Deployment) -> dict[Metric, list[Point]]:
    return read(
        shared(deployment),
        _wanted(deployment),
        since=deployment.now - DAY,
        until=deployment.now,
        period_seconds=PERIOD_SECONDS,
    )


def _wanted(deployment: Deployment) -> list[Metric]:
    stack = deployment.stack
    return [
        *(of_topic(deployment, name) for name in OF_TOPIC),
        *(of_function(function, name) for function in stack.processors for name in OF_PROCESSOR),
        *(event_age(function) for function in stack.processors),
        of_function(stack.webhook_function_name, "Invocations"),
        of_function(stack.stale_function_name, "Invocations"),
        *(of_api(deployment, name) for name in ("Count", "5xx")),
        of_stack(deployment, "StatusCallbacks"),
        dead_letter_age(deployment),
    ]
