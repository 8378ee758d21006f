"""Checks of the category `topic`: what SNS counted in the last day."""

from __future__ import annotations

from functools import partial

from b2bpilot.advice import our_command
from b2bpilot.ops.subscribers import health
from b2bpilot.ops.subscribers.discovery import Subscriber
from b2bpilot.ops.subscribers.topic_report import backfill_command, judged
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds, warns
from b2bpilot.ops.verify.checks.topic.subscriptions import coverages
from b2bpilot.ops.verify.commands import one_after_another
from b2bpilot.ops.verify.deployment import PROBE_TIMEOUTS, Deployment
from b2bpilot.ops.verify.measured import ACTIONS as METRIC_ACTIONS
from b2bpilot.ops.verify.measured import count, of_topic
from b2bpilot.ops.verify.shared import shared_environment
from b2bpilot.ops.verify.subscribers import MOST_TOLD, OWNERS, all_of, others
from b2bpilot.plural import many

FIND_LOST = our_command("twilio", "reconcile", "--since", "24h", "--publish-missing")


def _delivered(deployment: Deployment) -> Answer:
    failed = count(deployment, of_topic(deployment, "NumberOfNotificationsFailed"))
    filtered = count(deployment, of_topic(deployment, "NumberOfNotificationsFilteredOut"))
    told = f"{many(failed, 'notification')} failed and {many(filtered, 'was', 'were')} filtered out in the last day"
    foreign = health.others(all_of(deployment), deployment.stack)
    if not failed and not filtered:
        return holds(told)
    if failed and not foreign:
        return fails(told)
    told += "; SNS counts per topic, not per subscription"
    if filtered and not all(covered.is_proven for _, covered in coverages(deployment)):
        return fails(f"{told}, and the processor's filter policy is not proven to let every message through")
    if filtered and not any(one.filter_policy or one.attributes_error for one in foreign):
        return fails(f"{told}, and nobody has a filter policy now")
    if failed:
        return warns(f"{told}, and others than the processor are subscribed")
    return holds(f"{told}, and the processor's filter policy lets every message through")


def _nothing_lost(deployment: Deployment) -> Answer:
    lost = count(deployment, of_topic(deployment, "NumberOfNotificationsFailedToRedriveToDlq"))
    if not lost:
        return holds("none in the last day")
    told = f"{many(lost, 'notification')} of the last day reached neither"
    if not any(one.redrive_policy for one in health.others(all_of(deployment), deployment.stack)):
        return fails(f"{told} the processor nor the queue")
    told += " a subscriber nor its dead-letter queue; SNS counts per topic, and others than the processor have such queues, too"
    losing = [one.name for one in others(deployment) if _loses(deployment, one)]
    if not losing:
        return warns(told, fix=FIND_LOST)
    whose = "; nothing can be written to the dead-letter queue of "
    return warns(
        f"{told}{whose}{', '.join(losing)}: that comes first",
        fix=one_after_another(backfill_command(name) for name in losing[:MOST_TOLD]),
    )


def _loses(deployment: Deployment, one: Subscriber) -> bool:
    return judged(one.subscription, shared_environment(deployment), timeouts=PROBE_TIMEOUTS).is_losing


check = partial(Check, category=Category.TOPIC, needs=("B2B030",))

CHECKS = (
    check(
        code="B2B038",
        statement="SNS delivered every message of the last day",
        why="What failed is in the subscriber's dead-letter queue; what the processor's filter policy left out is nowhere.",
        fix=our_command("subscribers"),
        probe=_delivered,
        severity=Severity.WARNING,
        actions=(*OWNERS, *METRIC_ACTIONS),
        unless_failed=("B2B033",),
    ),
    check(
        code="B2B039",
        statement="SNS lost no message of the last day",
        why="It could not write to the dead-letter queue either. Twilio still has the processor's; what another subscriber lost, the table of submissions has.",
        fix=FIND_LOST,
        probe=_nothing_lost,
        actions=(*OWNERS, *METRIC_ACTIONS, "sqs:GetQueueUrl", "sqs:GetQueueAttributes", "lambda:GetPolicy"),
    ),
)
