"""What CloudWatch counted in the last day, asked for in one call for all probes."""

from __future__ import annotations

from datetime import timedelta

from b2bpilot.aws.metrics import ACTION, Metric, Point, read, total
from b2bpilot.ops.verify.shared import shared
from b2bpilot.ops.verify.world import World

ACTIONS = (ACTION,)
DAY = timedelta(days=1)
PERIOD_SECONDS = 300
OF_TOPIC = (
    "NumberOfNotificationsFailed",
    "NumberOfNotificationsFilteredOut",
    "NumberOfNotificationsFailedToRedriveToDlq",
)
OF_PROCESSOR = ("Invocations", "Errors", "Throttles", "AsyncEventsDropped", "DeadLetterErrors")


def of_topic(world: World, name: str) -> Metric:
    topic = world.stack.topic_arn.rpartition(":")[2]
    return Metric(namespace="AWS/SNS", name=name, dimensions={"TopicName": topic})


def of_function(function: str, name: str, stat: str = "Sum") -> Metric:
    return Metric(namespace="AWS/Lambda", name=name, dimensions={"FunctionName": function}, stat=stat)


def of_api(world: World, name: str) -> Metric:
    return Metric(namespace="AWS/ApiGateway", name=name, dimensions={"ApiId": world.stack.api_id})


def of_stack(world: World, name: str) -> Metric:
    """One of ours, made of the functions' log lines."""
    return Metric(namespace=f"B2BPilot/{world.stack.environment}", name=name)


def event_age(world: World) -> Metric:
    return of_function(world.stack.processor_function_name, "AsyncEventAge", "Maximum")


def letter_age(world: World) -> Metric:
    queue = world.stack.dead_letter_queue_arn.rpartition(":")[2]
    name = "ApproximateAgeOfOldestMessage"
    return Metric(namespace="AWS/SQS", name=name, dimensions={"QueueName": queue}, stat="Maximum")


def count(world: World, metric: Metric) -> int:
    """Return the sum over the last day; 0 also where CloudWatch has nothing."""
    return round(total(points(world, metric)))


def points(world: World, metric: Metric, *, within: timedelta = DAY) -> list[Point]:
    """Return the points of the time before now, newest last, five minutes each. Raises AwsError."""
    found: dict[Metric, list[Point]] = world.ask("last day", lambda: _read(world))
    begin = world.now - within - timedelta(seconds=PERIOD_SECONDS)
    return [point for point in found[metric] if point.at > begin]


def _read(world: World) -> dict[Metric, list[Point]]:
    return read(
        shared(world), _wanted(world), since=world.now - DAY, until=world.now, period_seconds=PERIOD_SECONDS
    )


def _wanted(world: World) -> list[Metric]:
    stack = world.stack
    return [
        *(of_topic(world, name) for name in OF_TOPIC),
        *(of_function(stack.processor_function_name, name) for name in OF_PROCESSOR),
        of_function(stack.webhook_function_name, "Invocations"),
        of_function(stack.stale_function_name, "Invocations"),
        *(of_api(world, name) for name in ("Count", "5xx")),
        of_stack(world, "StatusCallbacks"),
        event_age(world),
        letter_age(world),
    ]
