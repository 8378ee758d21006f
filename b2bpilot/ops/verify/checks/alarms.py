"""Checks of the category `alarms`: somebody hears of it when something goes wrong."""

from __future__ import annotations

from functools import partial

from b2bpilot.advice import Words, joined, our_command
from b2bpilot.aws.alarms import Alarm, AlarmState
from b2bpilot.aws.alarms import alarms as read_alarms
from b2bpilot.errors import AwsError
from b2bpilot.ops.verify.alarm_table import AlarmDefinition, alarms_of
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds, unanswered, warns
from b2bpilot.ops.verify.checks.dead_letters.queue import READ as READ_QUEUE
from b2bpilot.ops.verify.checks.dead_letters.waiting import counters_of
from b2bpilot.ops.verify.commands import aws, one_after_another
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.hearing import ACTIONS as HEARING
from b2bpilot.ops.verify.hearing import AlarmFault, faults_of
from b2bpilot.ops.verify.shared import shared
from b2bpilot.pipeline.arn import name_of, service_of
from b2bpilot.plural import many

READ = ("cloudwatch:DescribeAlarms",)
LONGEST_REASON = 120


def _ours(deployment: Deployment) -> dict[str, Alarm]:
    """The alarms of the template that are there, by their full names."""
    names = {definition.full_name(deployment.stack) for definition in alarms_of(deployment.stack)}
    found: list[Alarm] = deployment.ask("alarms", lambda: read_alarms(shared(deployment), "b2b-pilot-"))
    return {alarm.name: alarm for alarm in found if alarm.name in names}


def _watch(deployment: Deployment) -> Answer:
    stack, there = deployment.stack, _ours(deployment)
    wanted = alarms_of(stack)
    wrong = [one for one in wanted if not _watches(one, there.get(one.full_name(stack)), deployment)]
    if not wrong:
        return holds(f"all {len(wanted)}")
    told = [
        f"{one.full_name(stack)} {'watches something else' if one.full_name(stack) in there else 'is missing'}"
        for one in wrong
    ]
    actions = sorted({action for alarm in there.values() for action in alarm.actions})
    return fails("; ".join(told), fix=one_after_another(one.command(stack, actions) for one in wrong))


def _watches(definition: AlarmDefinition, alarm: Alarm | None, deployment: Deployment) -> bool:
    stack = deployment.stack
    return alarm is not None and (alarm.namespace, alarm.metric, dict(alarm.dimensions), alarm.threshold) == (
        definition.full_namespace(stack),
        definition.metric,
        dict(definition.dimensions(stack)),
        definition.threshold,
    )


def _enabled(deployment: Deployment) -> Answer:
    there = _ours(deployment)
    if not there:
        return unanswered("there is none of them")
    silenced = sorted(alarm.name for alarm in there.values() if not alarm.actions_enabled)
    if not silenced:
        return holds(f"all {len(there)}")
    fix = aws("cloudwatch", "enable-alarm-actions", "--alarm-names", *silenced)
    return fails(f"disabled, so that nobody is told: {', '.join(silenced)}", fix=fix)


def _tell_somebody(deployment: Deployment) -> Answer:
    there = _ours(deployment)
    if not there:
        return unanswered("there is none of them")
    mute = sorted(alarm.name for alarm in there.values() if not alarm.actions)
    if mute:
        who = f"none of the {len(there)} alarms notifies anybody"
        if len(mute) < len(there):
            who = f"{many(len(mute), 'alarm')} of {len(there)} without an action: {', '.join(mute)}"
        return fails(f"{who}; deploy with the parameter AlarmTopicArn")
    topics = {action: alarm for alarm in there.values() for action in alarm.actions if _is_topic(action)}
    if deployment.stack.topic_arn in topics:
        return fails("the alarms go to the topic of the messages: each becomes a dead letter")
    faults = [
        fault
        for topic, alarm in sorted(topics.items(), key=lambda one: one[0])
        for fault in faults_of(shared(deployment), topic, alarm_arn=alarm.arn or _arn(deployment, alarm))
    ]
    return _heard(faults, len(there), sorted(topics))


def _is_topic(action: str) -> bool:
    return service_of(action) == "sns"


def _arn(deployment: Deployment, alarm: Alarm) -> str:
    _, partition, _, region, account, _ = deployment.stack.topic_arn.split(":", 5)
    return f"arn:{partition}:cloudwatch:{region}:{account}:alarm:{alarm.name}"


def _heard(faults: list[AlarmFault], count: int, topics: list[str]) -> Answer:
    known = [fault for fault in faults if fault.is_known]
    if known:
        fix = one_after_another(fault.fix for fault in known if fault.fix)
        return fails("; ".join(fault.text for fault in known), fix=fix)
    if faults:
        return warns("; ".join(fault.text for fault in faults), fix="")
    if not topics:
        return holds(f"all {count} have an action, of which none is a topic: they were not tried")
    return holds(
        f"all {count}, through {', '.join(topics)}: somebody is subscribed, and CloudWatch may publish"
    )


def _quiet(deployment: Deployment) -> Answer:
    there = _ours(deployment)
    if not there:
        return unanswered("there is none of them")
    ringing = [alarm for alarm in there.values() if alarm.state is AlarmState.ALARM]
    over = _over(deployment, ringing)
    if on := [alarm for alarm in ringing if alarm not in over]:
        told = "; ".join(f"{alarm.name}: {_cut(alarm.reason)}" for alarm in on)
        return fails(f"on: {told}", fix=_first(on, deployment), may_change=True)
    names = ", ".join(alarm.name for alarm in over)
    ends = f"; {names}: the queue is empty by its counters, so this ends by itself" if over else ""
    return holds(f"none of {len(there)}{ends}")


def _first(on: list[Alarm], deployment: Deployment) -> Words:
    """Return what each of them says to run first. They only look: one that finds something keeps no other from looking."""
    names = {alarm.name for alarm in on}
    stack = deployment.stack
    wanted = [one.first for one in alarms_of(stack) if one.full_name(stack) in names]
    return joined("; ", list(dict.fromkeys(wanted)))


def _over(deployment: Deployment, ringing: list[Alarm]) -> list[Alarm]:
    """Those on dead letters in a queue whose counters say that it is empty: the alarms outlast it by 40 minutes, and by hours."""
    queue = name_of(deployment.stack.dead_letter_queue_arn)
    of_queue = [alarm for alarm in ringing if alarm.counts_dead_letters_of(queue)]
    try:
        return of_queue if of_queue and not counters_of(deployment).total else []
    except AwsError:
        return []


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}..."


check = partial(Check, category=Category.ALARMS, actions=READ, needs=("B2B010",))

CHECKS = (
    check(
        code="B2B086",
        statement="every alarm of the template is there and watches the right metric",
        why="The problem that it watches for would go unnoticed.",
        probe=_watch,
    ),
    check(
        code="B2B087",
        statement="the alarms are enabled",
        why="A disabled alarm tells nobody; somebody may have silenced it for a night and forgotten.",
        probe=_enabled,
    ),
    check(
        code="B2B088",
        statement="the alarms notify somebody",
        why="Without an action, a subscriber, or a key and a policy that let CloudWatch in, they only change their colour.",
        probe=_tell_somebody,
        severity=Severity.WARNING,
        actions=(*READ, *HEARING),
    ),
    check(
        code="B2B089",
        statement="no alarm is on",
        why="Something is wrong now.",
        fix=our_command("explain", "alarms"),
        probe=_quiet,
        severity=Severity.WARNING,
        actions=(*READ, *READ_QUEUE),
    ),
)
