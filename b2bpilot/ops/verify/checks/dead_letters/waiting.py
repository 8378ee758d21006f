"""Checks of the category `dead-letters`: the dead letters in the queue."""

from __future__ import annotations

import threading
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from b2bpilot.advice import our_command
from b2bpilot.aws.queue import DeadLetterQueue
from b2bpilot.aws.queue_attributes import Counters, counters
from b2bpilot.ops.status.dead_letters import DeadLetters, Look, dead_letters
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds, unanswered, warns
from b2bpilot.ops.verify.checks.dead_letters.queue import READ, in_words, queue_of
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.measured import ACTIONS as METRIC_ACTIONS
from b2bpilot.ops.verify.measured import dead_letter_age, points
from b2bpilot.ops.verify.shared import shared
from b2bpilot.plural import many

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

LOOK = ("sqs:ReceiveMessage", "sqs:ChangeMessageVisibility")
TIME_TO_ACT = timedelta(days=3)
"""A weekend."""
LATELY = timedelta(hours=1)


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


def _of_some(seen: Look, dead_letters: DeadLetters) -> str:
    return f"{seen.saw:,} that were seen of about {many(max(dead_letters.depth, seen.saw), 'dead letter')}"


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


check = partial(Check, category=Category.DEAD_LETTERS, needs=("B2B060",))

CHECKS = (
    check(
        code="B2B064",
        statement="no dead letter is deleted within three days",
        why="Then the message is gone from here; Twilio may still have it.",
        fix=our_command("dlq", "redrive"),
        probe=_nothing_expires,
        actions=(*READ, *LOOK, *METRIC_ACTIONS),
        needs=("B2B060", "B2B063"),
    ),
    check(
        code="B2B065",
        statement="the queue is empty",
        why="Each dead letter is a message that was not stored.",
        fix=our_command("dlq", "list"),
        probe=_empty,
        severity=Severity.WARNING,
        actions=READ,
    ),
)
