"""What was used this month, by CloudWatch: since its first, or since the stack is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from b2bpilot.aws.failures import translated
from b2bpilot.aws.metrics import Metric, Point, read, total
from b2bpilot.aws.session import Timeouts
from b2bpilot.aws.stack import StackOutputs
from b2bpilot.aws.stack_state import read_state
from b2bpilot.errors import AwsError
from b2bpilot.ops.environment import Environment
from b2bpilot.pipeline.arn import name_of

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_lambda import LambdaClient

MINUTE_SECONDS, HOUR_SECONDS, DAY_SECONDS = 60, 3_600, 86_400
QUEUE_REQUESTS = (
    "NumberOfMessagesSent",
    "NumberOfMessagesReceived",
    "NumberOfMessagesDeleted",
    "NumberOfEmptyReceives",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionUsage:
    """One function. `memory_mb` and `architecture` are the template's where `is_assumed`: AWS did not say."""

    name: str
    invocations: float | None
    duration_ms: float | None
    memory_mb: int
    architecture: str
    is_assumed: bool = False

    @property
    def gb_seconds(self) -> float | None:
        return None if self.duration_ms is None else self.duration_ms / 1_000 * self.memory_mb / 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """From `since` to `until`: from the stack's creation, where that is this month's, else from the month's first. None is
    a number of which CloudWatch has no data: nothing happened, or nobody counts it."""

    since: datetime
    until: datetime
    functions: Mapping[str, FunctionUsage]
    """By part: webhook, processor, stale, redriver, and express where there is an express lane."""
    published: float | None
    webhook_requests: float | None
    log_bytes: float | None
    queue_requests: float | None
    received_events: float | None
    """By the processor's own queue in Lambda."""
    stored: float | None
    duplicates: float | None
    secrets: int
    is_since_creation: bool = False
    express_errors: float | None = None
    """Runs of the express processor that failed."""
    message_queue_requests: float | None = None
    """Of the queue between topic and processor, empty polls among them: none while `Delivery` is topic."""

    @property
    def elapsed(self) -> timedelta:
        return max(self.until - self.since, timedelta(seconds=1))


def usage(environment: Environment, *, now: datetime, timeouts: Timeouts) -> Usage:
    """Ask CloudWatch once, CloudFormation for the stack's age, and Lambda for each function's memory. Raises AwsError when
    one of the first two cannot be asked."""
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    client: CloudFormationClient = environment.access.client("cloudformation", timeouts)
    created_at = read_state(client, environment.stack.stack_name).created_at
    since = max(first, created_at) if created_at else first
    metrics = _metrics(environment.stack)
    wanted = [metric for group in metrics.values() for metric in group]
    points = read(
        environment.access,
        wanted,
        since=since,
        until=max(now, since + timedelta(minutes=1)),  # CloudWatch refuses no time at all
        period_seconds=DAY_SECONDS if since == first else _period_seconds(now - since),
        timeouts=timeouts,
    )
    found = {name: _sum([points[metric] for metric in group]) for name, group in metrics.items()}
    functions = {
        part: _function(environment, part, name, found, timeouts)
        for part, name in _functions(environment.stack).items()
    }
    return Usage(
        since=since,
        until=now,
        functions=functions,
        published=found["published"],
        webhook_requests=found["webhook_requests"],
        log_bytes=found["log_bytes"],
        queue_requests=found["queue_requests"],
        received_events=found["received_events"],
        stored=found["stored"],
        duplicates=found["duplicates"],
        secrets=_secrets(environment.stack),
        is_since_creation=since > first,
        express_errors=found["express_errors"],
        message_queue_requests=found["message_queue_requests"],
    )


def _period_seconds(elapsed: timedelta) -> int:
    """CloudWatch's periods begin on the clock's minute or hour: what an earlier stack of the name did is left out."""
    return MINUTE_SECONDS if elapsed < timedelta(days=1) else HOUR_SECONDS


def _secrets(stack: StackOutputs) -> int:
    """Secrets Manager charges for one that RDS manages, too."""
    return len({stack.secret_arn, stack.twilio_secret_arn, stack.database_secret_arn})


def _functions(stack: StackOutputs) -> dict[str, str]:
    return {
        "webhook": stack.webhook_function_name,
        "processor": stack.processor_function_name,
        "stale": stack.stale_function_name,
        "redriver": stack.redriver_function_name,
        **({"express": stack.express_function_name} if stack.express_function_name else {}),
    }


def _metrics(stack: StackOutputs) -> dict[str, list[Metric]]:
    functions = _functions(stack)
    queue = {"QueueName": name_of(stack.dead_letter_queue_arn)}
    ours = f"B2BPilot/{stack.environment}"
    groups = [f"/aws/lambda/{name}" for name in functions.values()]
    groups.append(f"/aws/vendedlogs/b2b-pilot-webhook-{stack.environment}")
    return {
        "published": [_metric("AWS/SNS", "NumberOfMessagesPublished", TopicName=name_of(stack.topic_arn))],
        "webhook_requests": [_metric("AWS/ApiGateway", "Count", ApiId=stack.api_id)],
        "log_bytes": [_metric("AWS/Logs", "IncomingBytes", LogGroupName=group) for group in groups],
        "message_queue_requests": [
            _metric("AWS/SQS", name, QueueName=name_of(stack.message_queue_arn))
            for name in QUEUE_REQUESTS
            if stack.message_queue_arn
        ],
        "express_errors": [
            _metric("AWS/Lambda", "Errors", FunctionName=name)
            for name in [stack.express_function_name]
            if name
        ],
        "queue_requests": [
            Metric(namespace="AWS/SQS", name=name, dimensions=queue) for name in QUEUE_REQUESTS
        ],
        "received_events": [
            _metric("AWS/Lambda", "AsyncEventsReceived", FunctionName=functions["processor"])
        ],
        "stored": [Metric(namespace=ours, name="MessagesStored")],
        "duplicates": [Metric(namespace=ours, name="MessagesDuplicate")],
        **{
            f"{part} {name}": [_metric("AWS/Lambda", name, FunctionName=function)]
            for part, function in functions.items()
            for name in ("Invocations", "Duration")
        },
    }


def _metric(namespace: str, name: str, **dimensions: str) -> Metric:
    return Metric(namespace=namespace, name=name, dimensions=dimensions)


def _sum(series: list[list[Point]]) -> float | None:
    return sum(map(total, series)) if any(series) else None


TEMPLATE_MEMORY_MB = {"webhook": 512, "processor": 512, "stale": 256, "redriver": 256, "express": 512}


def _function(
    environment: Environment,
    part: str,
    name: str,
    values: Mapping[str, float | None],
    timeouts: Timeouts,
) -> FunctionUsage:
    client: LambdaClient = environment.access.client("lambda", timeouts)
    memory_mb, architecture, is_assumed = TEMPLATE_MEMORY_MB[part], "arm64", True
    try:
        with translated("lambda:GetFunctionConfiguration"):
            configuration = client.get_function_configuration(FunctionName=name)
        memory_mb = configuration.get("MemorySize", memory_mb)
        architecture = str((configuration.get("Architectures") or ["x86_64"])[0])
        is_assumed = False
    except AwsError:
        pass
    return FunctionUsage(
        name=name,
        invocations=values[f"{part} Invocations"],
        duration_ms=values[f"{part} Duration"],
        memory_mb=memory_mb,
        architecture=architecture,
        is_assumed=is_assumed,
    )
