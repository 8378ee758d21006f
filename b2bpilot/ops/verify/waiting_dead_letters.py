"""Checks of the category `dead-letters`: the dead letters in the queue, and who takes them."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from b2bpilot.advice import our_command
from b2bpilot.aws.mappings import AS_DEPLOYED, EventSourceMapping
from b2bpilot.aws.queue import DeadLetterQueue
from b2bpilot.aws.queue_attributes import Counters, counters
from b2bpilot.ops.status.dead_letters import DeadLetters, Look, dead_letters
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds, unanswered, warns
from b2bpilot.ops.verify.dead_letters import READ, in_words, queue_of
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.functions import READ as READ_FUNCTION
from b2bpilot.ops.verify.functions import existing, is_ready, is_told
from b2bpilot.ops.verify.measured import ACTIONS as METRIC_ACTIONS
from b2bpilot.ops.verify.measured import dead_letter_age, points
from b2bpilot.ops.verify.shared import shared
from b2bpilot.pipeline.remote_run import remote_run
from b2bpilot.plural import many

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

LOOK = ("sqs:ReceiveMessage", "sqs:ChangeMessageVisibility")
TIME_TO_ACT = timedelta(days=3)
"""A weekend."""
LATELY = timedelta(hours=1)
OFF = (
    "aws lambda update-event-source-mapping --uuid {redriver_mapping_id} --no-enabled "
    f"--scaling-config MaximumConcurrency={AS_DEPLOYED}"
)


def counters_of(deployment: Deployment) -> Counters:
    client: SQSClient = deployment.client("sqs")
    found: Counters = deployment.ask(
        "counters", lambda: counters(client, deployment.stack.dead_letter_queue_url)
    )
    return found


def dead_letters_of(deployment: Deployment) -> DeadLetters:
    """What a look of a few seconds saw, with the counters of before it. Every dead letter is given back."""
    counters_of(deployment)
    queue = DeadLetterQueue.connect(deployment.stack.dead_letter_queue_url, access=shared(deployment))
    found: DeadLetters = deployment.ask(
        "dead letters seen",
        lambda: dead_letters(queue, wants_look=True, now=deployment.now, stop=threading.Event()),
    )
    return found


def _nothing_expires(deployment: Deployment) -> Answer:
    """By when SQS took each (docs/aws-facts.md#sqs-retention). CloudWatch's age of the oldest leaves out what was
    received three times (docs/aws-facts.md#age-of-the-oldest)."""
    retention, waiting = queue_of(deployment).retention, counters_of(deployment).total
    if not waiting:
        return holds("it is empty")
    found = dead_letters_of(deployment)
    seen = found.look
    if seen is None:
        return _by_cloudwatch(deployment, waiting, because=found.no_look or "")
    if seen.oldest is None:
        return unanswered(f"none of about {many(waiting, 'dead letter')} can be received at the moment")
    age = deployment.now - seen.oldest
    of = many(seen.saw, "dead letter")
    told = f"the oldest of {of if seen.is_complete else _of_some(seen, found)} is {in_words(age)} old"
    told += f" and deleted after {in_words(retention)}"
    if retention - age <= TIME_TO_ACT:
        return fails(told)
    return holds(told) if seen.is_complete else warns(f"{told}; the others were not seen", fix="")


def _of_some(seen: Look, found: DeadLetters) -> str:
    return f"{seen.saw:,} that were seen of about {many(max(found.depth, seen.saw), 'dead letter')}"


def _by_cloudwatch(deployment: Deployment, waiting: int, *, because: str) -> Answer:
    """It can say that one is old, never that none is."""
    if not (ages := points(deployment, dead_letter_age(deployment), within=LATELY)):
        return unanswered(f"{because}; CloudWatch does not say yet how old the oldest of {waiting:,} is")
    age, retention = timedelta(seconds=ages[-1].value), queue_of(deployment).retention
    told = f"by CloudWatch the oldest of {many(waiting, 'dead letter')} is {in_words(age)} old"
    if retention - age <= TIME_TO_ACT:
        return fails(f"{told} and deleted after {in_words(retention)}")
    return warns(f"{told}, without those that were received three times; {because}", fix="")


def _empty(deployment: Deployment) -> Answer:
    found = counters_of(deployment)
    if not found.total:
        return holds("no dead letters")
    hidden = f", {found.hidden:,} of them taken by somebody" if found.hidden else ""
    told = f"about {many(found.total, 'dead letter')} in the queue{hidden}"
    return fails(told, may_change=found.visible == 0)


def _redriver_is_off(deployment: Deployment) -> Answer:
    mapping = EventSourceMapping.connect(deployment.stack.redriver_mapping_id, access=shared(deployment))
    reading = mapping.read()
    if not reading.state.is_on:
        return holds(f"{reading.state.value.lower()}; no redrive is on")
    run = remote_run(mapping.tags())
    if run and not run.ended and reading.read_at < run.ends_at:
        return holds(f"run {run.run_id} is on, until {run.ends_at:%H:%M} UTC at most")
    return fails(
        f"the redriver's mapping is {reading.state.value.lower()}, though no redrive is on", may_change=True
    )


def _redriver_is_ready(deployment: Deployment) -> Answer:
    stack = deployment.stack
    answer = is_ready(deployment, stack.redriver_function_name)
    if not answer.is_true:
        return answer
    wanted = {
        "PROCESSOR_FUNCTION_NAME": stack.processor_function_name,
        "DEAD_LETTER_QUEUE_URL": stack.dead_letter_queue_url,
    }
    told = is_told(existing(deployment, stack.redriver_function_name), wanted)
    return answer if told.is_true else told


CHECKS = (
    Check(
        code="B2B064",
        category=Category.DEAD_LETTERS,
        statement="no dead letter is deleted within three days",
        why="Then the message is gone from here; Twilio may still have it.",
        fix=our_command("dlq", "redrive"),
        probe=_nothing_expires,
        actions=(*READ, *LOOK, *METRIC_ACTIONS),
        needs=("B2B060", "B2B063"),
    ),
    Check(
        code="B2B065",
        category=Category.DEAD_LETTERS,
        statement="the queue is empty",
        why="Each dead letter is a message that was not stored.",
        fix=our_command("dlq", "list"),
        probe=_empty,
        severity=Severity.WARNING,
        actions=READ,
        needs=("B2B060",),
    ),
    Check(
        code="B2B069",
        category=Category.DEAD_LETTERS,
        statement="the redriver takes dead letters only while a redrive is on",
        why="Without a run it takes and gives back dead letters all day long, and hides them from every command.",
        fix=OFF,
        probe=_redriver_is_off,
        severity=Severity.WARNING,
        actions=("lambda:GetEventSourceMapping", "lambda:ListTags"),
        needs=("B2B010",),
    ),
    Check(
        code="B2B104",
        category=Category.DEAD_LETTERS,
        statement="the redriver is there and ready, with this stack's queue and processor",
        why="`dlq redrive --engine lambda` needs it; every other redrive does not.",
        fix="",
        probe=_redriver_is_ready,
        severity=Severity.WARNING,
        actions=READ_FUNCTION,
        needs=("B2B010",),
    ),
)
