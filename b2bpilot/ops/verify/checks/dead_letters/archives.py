"""The check of the category `dead-letters` about their copies: SQS deletes what is older than its retention."""

from __future__ import annotations

from datetime import datetime, timedelta

from b2bpilot.advice import our_command
from b2bpilot.ops.dead_letters.archive import Origin
from b2bpilot.ops.dead_letters.scheduled import Last, folders_of, read_last
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds, silent, unanswered
from b2bpilot.ops.verify.checks.dead_letters.queue import READ, in_words, queue_of
from b2bpilot.ops.verify.checks.dead_letters.waiting import LATELY, LOOK, counters_of, dead_letters_of
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.measured import ACTIONS as METRIC_ACTIONS
from b2bpilot.ops.verify.measured import dead_letter_age, points


def _archived_in_time(deployment: Deployment) -> Answer:
    waiting = counters_of(deployment).total
    if not waiting:
        return holds("the queue is empty")
    if deployment.home is None:
        return unanswered("no folder of this machine's archives was named")
    folders = folders_of(deployment.home, Origin.of(deployment.environment))
    places = ", ".join(map(str, folders))
    found = [last for folder in folders if (last := read_last(folder))]
    if not found:
        return silent(
            f"no scheduled archive is known on this machine ({places}); another one may have them",
            may_change=False,
        )
    complete = [(last.complete_at, last) for last in found if last.complete_at]
    if not complete:
        return fails(f"no scheduled export on this machine saw all dead letters yet ({places})")
    complete_at, last = max(complete, key=lambda one: one[0])
    return _judged(deployment, last, complete_at, waiting)


def _judged(deployment: Deployment, last: Last, complete_at: datetime, waiting: int) -> Answer:
    """Every time is AWS's. Besides what is seen now, what the export saw and CloudWatch counts: a look may see some only."""
    queue = queue_of(deployment)
    now = queue.read_at or deployment.now
    look = dead_letters_of(deployment).look
    ages = [
        *(
            timedelta(seconds=each.value)
            for each in points(deployment, dead_letter_age(deployment), within=LATELY)[-1:]
        ),
        *(now - at for at in (last.oldest_sent_at, look.oldest if look else None) if at),
    ]
    if not ages:
        return unanswered(f"nobody says yet how old the oldest of {waiting:,} is")
    left, age = queue.retention - max(ages), now - complete_at
    told = (
        f"the newest archive on this machine that saw everything is {in_words(age)} old; the oldest dead letter that "
        f"is seen, or that CloudWatch or that archive knows of, has {in_words(max(left, timedelta()))} left to live"
    )
    return holds(told) if age < left else fails(told)


CHECKS = (
    Check(
        code="B2B120",
        category=Category.DEAD_LETTERS,
        statement="the newest archive is younger than the oldest dead letter has left to live",
        why="SQS deletes a dead letter after its retention, unless a copy is made before. Archives of another machine are not seen.",
        fix=our_command("dlq", "export", "--scheduled"),
        probe=_archived_in_time,
        severity=Severity.WARNING,
        actions=(*READ, *LOOK, *METRIC_ACTIONS),
        needs=("B2B060",),
    ),
)
