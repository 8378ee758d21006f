"""Checks of the category `topic`: what SNS counted in the last day."""

from __future__ import annotations

from b2bpilot.ops.subscriptions.verdict import is_processor_s
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds
from b2bpilot.ops.verify.measured import ACTIONS as METRIC_ACTIONS
from b2bpilot.ops.verify.measured import count, of_topic
from b2bpilot.ops.verify.subscription import READ, all_of
from b2bpilot.ops.verify.world import World


def _delivered(world: World) -> Answer:
    """SNS counts per topic only (facts C11): a filter that another subscription has explains what was left out."""
    failed = count(world, of_topic(world, "NumberOfNotificationsFailed"))
    filtered = count(world, of_topic(world, "NumberOfNotificationsFilteredOut"))
    others = [one for one in all_of(world) if not is_processor_s(one, world.stack)]
    explained = any(one.filter_policy for one in others)
    told = f"{failed:,} notifications failed and {filtered:,} were filtered out in the last day"
    if failed or (filtered and not explained):
        return fails(told)
    return holds(f"{told}{', by another subscription' if filtered else ''}")


def _nothing_lost(world: World) -> Answer:
    lost = count(world, of_topic(world, "NumberOfNotificationsFailedToRedriveToDlq"))
    if lost:
        return fails(f"{lost:,} notifications of the last day reached neither the processor nor the queue")
    return holds("none in the last day")


CHECKS = (
    Check(
        code="B2B038",
        category=Category.TOPIC,
        statement="SNS delivered every message of the last day",
        why="What failed is in the dead-letter queue; what was filtered out is nowhere.",
        mend="b2bpilot subscriptions -e {environment}",
        probe=_delivered,
        severity=Severity.WARNING,
        actions=(*READ, *METRIC_ACTIONS),
        needs=("B2B030",),
        unless_failed=("B2B033",),
    ),
    Check(
        code="B2B039",
        category=Category.TOPIC,
        statement="SNS lost no message of the last day",
        why="It could not write to the dead-letter queue either. Twilio still has them.",
        mend="b2bpilot twilio reconcile -e {environment} --since 24h --publish-missing",
        probe=_nothing_lost,
        actions=METRIC_ACTIONS,
        needs=("B2B030",),
    ),
)
