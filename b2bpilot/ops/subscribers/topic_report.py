"""The topic's subscriptions, whether each can receive, and what SNS counted on the topic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from b2bpilot.aws.metrics import Metric, read, total
from b2bpilot.aws.policies import ResourcePolicy, function_policy, queue_policy
from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.aws.subscriptions import Subscription, subscriptions
from b2bpilot.errors import AwsError
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.subscribers.admission import admits
from b2bpilot.ops.subscribers.health import (
    Health,
    Permission,
    PermissionReading,
    SubscriptionReport,
    report,
)

DAY = timedelta(days=1)
AT_ONCE = 8
TIMEOUTS = Timeouts(connect_seconds=3, read_seconds=5, attempts=3)
COUNTED = {
    "published": "NumberOfMessagesPublished",
    "delivered": "NumberOfNotificationsDelivered",
    "failed": "NumberOfNotificationsFailed",
    "filtered_out": "NumberOfNotificationsFilteredOut",
    "redriven": "NumberOfNotificationsRedrivenToDlq",
    "redrive_failed": "NumberOfNotificationsFailedToRedriveToDlq",
}
READERS: Mapping[str, tuple[Callable[..., ResourcePolicy], str]] = {
    "lambda": (function_policy, "lambda:InvokeFunction"),
    "sqs": (queue_policy, "sqs:SendMessage"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicReport:
    """All subscriptions of the topic. `counts` are of the topic for the last 24 hours: SNS has none per subscription
    (docs/aws-facts.md#sns-metrics). None of them when CloudWatch could not be asked; `counts_error` then says why."""

    reports: tuple[SubscriptionReport, ...]
    counts: Mapping[str, int] | None
    counts_error: AwsError | None = None

    @property
    def lacks_processor(self) -> bool:
        """Whether nothing that is published reaches the processor."""
        return not any(one.is_processor for one in self.reports)

    @property
    def is_unhealthy(self) -> bool:
        return self.lacks_processor or any(one.health is Health.UNHEALTHY for one in self.reports)


def report_on_topic(environment: Environment, *, now: datetime) -> TopicReport:
    """Ask about all of them at the same time. Raises AwsError when the subscriptions cannot be listed."""
    access = environment.access
    with ThreadPoolExecutor(AT_ONCE) as pool:
        counts = pool.submit(_counts, access, environment.stack.topic_arn, now)
        found = subscriptions(access, environment.stack.topic_arn, timeouts=TIMEOUTS)
        reports = tuple(pool.map(lambda one: _report(one, environment), found))
        counted, error = counts.result()
    return TopicReport(reports=reports, counts=counted, counts_error=error)


def _report(subscription: Subscription, environment: Environment) -> SubscriptionReport:
    access, topic_arn = environment.access, subscription.topic_arn or environment.stack.topic_arn
    target = subscription.redrive_target_arn
    return report(
        subscription,
        environment.stack,
        endpoint=_read_permission(subscription.protocol, subscription.endpoint, access, topic_arn),
        redrive=_read_permission("sqs" if target else "", target or "", access, topic_arn),
    )


def _read_permission(protocol: str, arn: str, access: AwsAccess, topic_arn: str) -> PermissionReading:
    """An endpoint that is no function and no queue has no policy; whether it answers, SNS alone knows."""
    if protocol not in READERS:
        return PermissionReading(permission=Permission.NOT_NEEDED)
    read_policy, action = READERS[protocol]
    try:
        policy = read_policy(access, arn, timeouts=TIMEOUTS)
    except AwsError as exc:
        return PermissionReading(permission=Permission.UNKNOWN, error=str(exc))
    if not policy.exists:
        return PermissionReading(permission=Permission.ENDPOINT_GONE)
    match admits(policy.text, action=action, topic_arn=topic_arn, endpoint_arn=arn):
        case True:
            return PermissionReading(permission=Permission.GRANTED)
        case False:
            return PermissionReading(permission=Permission.MISSING)
        case None:
            return PermissionReading(
                permission=Permission.UNKNOWN, error="its policy uses what this version does not know"
            )


def _counts(
    access: AwsAccess, topic_arn: str, now: datetime
) -> tuple[dict[str, int] | None, AwsError | None]:
    topic = {"TopicName": topic_arn.rpartition(":")[2]}
    wanted = {
        name: Metric(namespace="AWS/SNS", name=metric, dimensions=topic) for name, metric in COUNTED.items()
    }
    try:
        found = read(
            access, list(wanted.values()), since=now - DAY, until=now, period_seconds=3_600, timeouts=TIMEOUTS
        )
    except AwsError as exc:
        return None, exc
    return {name: round(total(found[metric])) for name, metric in wanted.items()}, None
