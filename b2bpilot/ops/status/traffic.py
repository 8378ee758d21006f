"""What went through the pipeline lately, as CloudWatch counted it. It lags one to three minutes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from b2bpilot.aws.metrics import Metric, Point, read, total
from b2bpilot.aws.session import Timeouts
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.status.finding import Seen
from b2bpilot.pipeline.arn import name_of
from b2bpilot.pipeline.summary import StoredLatency

BUCKETS = 36
"""So many points does a sparkline have, at most."""
SHORTEST_PERIOD_SECONDS = 60


class Count(StrEnum):
    """What is added up. Without a point nothing happened: CloudWatch keeps no zeros of these."""

    PUBLISHED = "published"
    DELIVERED = "delivered"
    NOT_DELIVERED = "not_delivered"
    FILTERED_OUT = "filtered_out"
    REDRIVE_FAILED = "redrive_failed"
    STORED = "stored"
    DUPLICATES = "duplicates"
    FAILED = "failed"
    """Runs of the processor, those among them that wrote nothing into their log."""
    REJECTED = "rejected"
    MESSAGES_REFUSED = "messages_refused"
    STATUS_CALLBACKS = "status_callbacks"
    """Reports about messages that were sent: answered, and not stored."""
    WEBHOOK_4XX = "webhook_4xx"
    WEBHOOK_5XX = "webhook_5xx"
    INVOCATIONS = "invocations"
    THROTTLES = "throttles"
    DROPPED = "dropped"
    DEAD_LETTER_ERRORS = "dead_letter_errors"
    EXPRESS_FAILED = "express_failed"
    """As those of the processor, of the express one; of a stack without an express lane nothing is asked."""
    EXPRESS_THROTTLES = "express_throttles"
    EXPRESS_DEAD_LETTER_ERRORS = "express_dead_letter_errors"


class Level(StrEnum):
    """What goes up and down. Without a point it is unknown."""

    IN_FLIGHT = "in_flight"
    WAITING_MS = "waiting_ms"
    """How long the oldest event had waited in Lambda's own queue when it was started."""
    EXPRESS_IN_FLIGHT = "express_in_flight"
    EXPRESS_WAITING_MS = "express_waiting_ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Series from `since` to `until`, one point a period at most, newest last. `latency` is None without data."""

    since: datetime
    until: datetime
    period: timedelta
    counts: Mapping[Count, Sequence[Point]]
    levels: Mapping[Level, Sequence[Point]]
    latency: StoredLatency | None

    def total(self, count: Count) -> int:
        return round(total(self.counts.get(count, ())))

    def lately(self, count: Count) -> int:
        """Return the sum of the last two periods."""
        since = self.until - 2 * self.period
        return round(total(point for point in self.counts.get(count, ()) if point.at >= since))

    @property
    def passed_lately(self) -> int:
        """How many messages the processor stored, or found stored, in the last two periods."""
        return self.lately(Count.STORED) + self.lately(Count.DUPLICATES)

    def after(self, count: Count, moment: datetime) -> int:
        """Return the sum of the periods that begin later than `moment`."""
        return round(total(point for point in self.counts.get(count, ()) if point.at > moment))

    def last(self, kind: Count | Level) -> Seen | None:
        """Return the newest period in which something was counted; None where there is none."""
        points = self.counts.get(kind, ()) if isinstance(kind, Count) else self.levels.get(kind, ())
        at = max((point.at for point in points if point.value > 0), default=None)
        return Seen(since=at, until=min(at + self.period, self.until)) if at else None

    def newest(self, level: Level) -> float | None:
        """Return the level of the newest period that has one, if that is among the last two."""
        points = self.levels.get(level, ())
        if not points or points[-1].at < self.until - 2 * self.period:
            return None
        return points[-1].value


def traffic(environment: Environment, *, window: timedelta, now: datetime, timeouts: Timeouts) -> Traffic:
    """Ask CloudWatch in two calls: everything in short periods, and the latency over the whole window. Raises AwsError."""
    period, until = period_of(window), whole_minute_after(now)
    counts, levels = _counts(environment), _levels(environment)
    found = read(
        environment.access,
        [*counts.values(), *levels.values()],
        since=until - window,
        until=until,
        period_seconds=int(period.total_seconds()),
        timeouts=timeouts,
    )
    return Traffic(
        since=until - window,
        until=until,
        period=period,
        counts={count: found[metric] for count, metric in counts.items()},
        levels={level: found[metric] for level, metric in levels.items()},
        latency=_latency(environment, window=window, until=until, timeouts=timeouts),
    )


def period_of(window: timedelta) -> timedelta:
    """Return the shortest period of whole minutes that gives no more than BUCKETS points."""
    minutes = -(-window // timedelta(minutes=BUCKETS))
    return timedelta(seconds=max(SHORTEST_PERIOD_SECONDS, minutes * 60))


def whole_minute_after(moment: datetime) -> datetime:
    """CloudWatch rounds what it is asked for to whole minutes, and leaves the end itself out."""
    return moment.replace(second=0, microsecond=0) + timedelta(minutes=1)


def _counts(environment: Environment) -> dict[Count, Metric]:
    stack = environment.stack
    topic = {"TopicName": name_of(stack.topic_arn)}
    processor = {"FunctionName": stack.processor_function_name}
    ours = f"B2BPilot/{stack.environment}"
    places: dict[Count, tuple[str, str, Mapping[str, str]]] = {
        Count.PUBLISHED: ("AWS/SNS", "NumberOfMessagesPublished", topic),
        Count.DELIVERED: ("AWS/SNS", "NumberOfNotificationsDelivered", topic),
        Count.NOT_DELIVERED: ("AWS/SNS", "NumberOfNotificationsFailed", topic),
        Count.FILTERED_OUT: ("AWS/SNS", "NumberOfNotificationsFilteredOut", topic),
        Count.REDRIVE_FAILED: ("AWS/SNS", "NumberOfNotificationsFailedToRedriveToDlq", topic),
        Count.STORED: (ours, "MessagesStored", {}),
        Count.DUPLICATES: (ours, "MessagesDuplicate", {}),
        Count.FAILED: ("AWS/Lambda", "Errors", processor),
        Count.REJECTED: (ours, "WebhookRejected", {}),
        Count.MESSAGES_REFUSED: (ours, "MessagesRefused", {}),
        Count.STATUS_CALLBACKS: (ours, "StatusCallbacks", {}),
        Count.WEBHOOK_4XX: (ours, "WebhookClientErrors", {}),
        Count.WEBHOOK_5XX: ("AWS/ApiGateway", "5xx", {"ApiId": stack.api_id}),
        Count.INVOCATIONS: ("AWS/Lambda", "Invocations", processor),
        Count.THROTTLES: ("AWS/Lambda", "Throttles", processor),
        Count.DROPPED: ("AWS/Lambda", "AsyncEventsDropped", processor),
        Count.DEAD_LETTER_ERRORS: ("AWS/Lambda", "DeadLetterErrors", processor),
    }
    if stack.express_function_name:
        express = {"FunctionName": stack.express_function_name}
        places |= {
            Count.EXPRESS_FAILED: ("AWS/Lambda", "Errors", express),
            Count.EXPRESS_THROTTLES: ("AWS/Lambda", "Throttles", express),
            Count.EXPRESS_DEAD_LETTER_ERRORS: ("AWS/Lambda", "DeadLetterErrors", express),
        }
    return {
        count: Metric(namespace=namespace, name=name, dimensions=dimensions)
        for count, (namespace, name, dimensions) in places.items()
    }


LEVELS_OF = (
    {Level.IN_FLIGHT: "ConcurrentExecutions", Level.WAITING_MS: "AsyncEventAge"},
    {Level.EXPRESS_IN_FLIGHT: "ConcurrentExecutions", Level.EXPRESS_WAITING_MS: "AsyncEventAge"},
)
"""Of the processor, and of the express one."""


def _levels(environment: Environment) -> dict[Level, Metric]:
    return {
        level: Metric(
            namespace="AWS/Lambda", name=name, dimensions={"FunctionName": function}, stat="Maximum"
        )
        for function, levels in zip(environment.stack.processors, LEVELS_OF, strict=False)
        for level, name in levels.items()
    }


def _latency(
    environment: Environment, *, window: timedelta, until: datetime, timeouts: Timeouts
) -> StoredLatency | None:
    """A percentile cannot be put together from those of parts, so it is asked for in one period. Where CloudWatch cuts
    the window in two, the part with more messages speaks for it."""
    metrics = {
        stat: Metric(namespace=f"B2BPilot/{environment.stack.environment}", name="EndToEndLatency", stat=stat)
        for stat in ("SampleCount", "p50", "p95")
    }
    found = read(
        environment.access,
        list(metrics.values()),
        since=until - window,
        until=until,
        period_seconds=max(60, int(window.total_seconds()) // 60 * 60),
        timeouts=timeouts,
    )
    values = {stat: {point.at: point.value for point in found[metric]} for stat, metric in metrics.items()}
    whole = values["SampleCount"].keys() & values["p50"].keys() & values["p95"].keys()
    if not whole:
        return None
    at = max(whole, key=lambda moment: values["SampleCount"][moment])
    rows = round(values["SampleCount"][at])
    return StoredLatency(rows=rows, p50_ms=values["p50"][at], p95_ms=values["p95"][at])
