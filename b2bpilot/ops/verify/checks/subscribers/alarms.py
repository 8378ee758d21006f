"""A check of the category `subscribers`: whether anything rings when dead letters come."""

from __future__ import annotations

from b2bpilot.aws.alarms import VISIBLE, Alarm
from b2bpilot.aws.alarms import alarms as all_alarms
from b2bpilot.ops.subscribers.discovery import Subscriber
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds, unanswered
from b2bpilot.ops.verify.commands import aws
from b2bpilot.ops.verify.deployment import PROBE_TIMEOUTS, Deployment
from b2bpilot.ops.verify.subscribers import READ, access_to, elsewhere, of_each, of_own_account, readable
from b2bpilot.pipeline.arn import name_of, region_of


def _watched(deployment: Deployment, one: Subscriber) -> Answer:
    readable(one.subscription)
    queues = one.dead_letter_queue_arns
    if not queues:
        return unanswered("it has no dead-letter queue")
    watching = {arn: _alarms(deployment, arn) for arn in queues}
    if silent := [arn for arn, names in watching.items() if not names]:
        return fails(
            f"no alarm watches the number or the age of dead letters in {silent[0]}",
            fix=_alarm(deployment, silent[0]),
        )
    return holds(", ".join(name for names in watching.values() for name in names))


def _alarms(deployment: Deployment, arn: str) -> list[str]:
    """One list of all alarms for all subscribers: CloudWatch answers few questions a second."""
    region, name = region_of(arn), name_of(arn)
    found: list[Alarm] = deployment.ask(
        ("all alarms", region), lambda: all_alarms(access_to(deployment, arn), timeouts=PROBE_TIMEOUTS)
    )
    return [one.name for one in found if one.watches_dead_letters_of(name)]


def _alarm(deployment: Deployment, arn: str) -> str:
    """As `subscribers new` has it, without an action: whom it notifies is the team's to say."""
    name = name_of(arn)
    return aws(
        "cloudwatch", "put-metric-alarm", "--alarm-name", name,
        "--namespace", "AWS/SQS", "--metric-name", VISIBLE, "--dimensions", f"Name=QueueName,Value={name}",
        "--statistic", "Maximum", "--period", "60", "--evaluation-periods", "40", "--datapoints-to-alarm", "1",
        "--comparison-operator", "GreaterThanOrEqualToThreshold", "--threshold", "1",
        "--treat-missing-data", "notBreaching", *elsewhere(deployment, arn),
    )  # fmt: skip


CHECKS = (
    Check(
        code="B2B189",
        category=Category.SUBSCRIBERS,
        statement="an alarm watches each subscriber's dead-letter queue",
        why="SQS deletes dead letters after the queue's retention, 14 days at most, seen or not.",
        probe=of_each(of_own_account(_watched)),
        severity=Severity.WARNING,
        actions=(*READ, "cloudwatch:DescribeAlarms"),
        needs=("B2B030",),
    ),
)
