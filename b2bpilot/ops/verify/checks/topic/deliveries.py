"""Checks of the category `topic`: what SNS counted in the last day."""

from __future__ import annotations

from functools import partial

from b2bpilot.advice import our_command
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds, unanswered
from b2bpilot.ops.verify.checks.topic.subscriptions import READ, coverages
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.measured import ACTIONS as METRIC_ACTIONS
from b2bpilot.ops.verify.measured import count, of_topic
from b2bpilot.ops.verify.subscribers import all_of
from b2bpilot.plural import many


def _delivered(deployment: Deployment) -> Answer:
    failed = count(deployment, of_topic(deployment, "NumberOfNotificationsFailed"))
    filtered = count(deployment, of_topic(deployment, "NumberOfNotificationsFilteredOut"))
    told = f"{many(failed, 'notification')} failed and {many(filtered, 'was', 'were')} filtered out in the last day"
    if not filtered:
        return fails(told) if failed else holds(told)
    told += "; SNS counts per topic, not per subscription"
    if not all(covered.is_proven for _, covered in coverages(deployment)):
        return fails(f"{told}, and the processor's filter policy is not proven to let every message through")
    if failed or not any(one.filter_policy for one in all_of(deployment)):
        return fails(told)
    return unanswered(f"{told}. The processor's lets every message through, as it is now")


def _nothing_lost(deployment: Deployment) -> Answer:
    lost = count(deployment, of_topic(deployment, "NumberOfNotificationsFailedToRedriveToDlq"))
    if lost:
        return fails(
            f"{many(lost, 'notification')} of the last day reached neither the processor nor the queue"
        )
    return holds("none in the last day")


check = partial(Check, category=Category.TOPIC, needs=("B2B030",))

CHECKS = (
    check(
        code="B2B038",
        statement="SNS delivered every message of the last day",
        why="What failed is in the dead-letter queue; what was filtered out is nowhere.",
        fix=our_command("subscribers"),
        probe=_delivered,
        severity=Severity.WARNING,
        actions=(*READ, *METRIC_ACTIONS),
        unless_failed=("B2B033",),
    ),
    check(
        code="B2B039",
        statement="SNS lost no message of the last day",
        why="It could not write to the dead-letter queue either. Twilio still has them.",
        fix=our_command("twilio", "reconcile", "--since", "24h", "--publish-missing"),
        probe=_nothing_lost,
        actions=METRIC_ACTIONS,
    ),
)
