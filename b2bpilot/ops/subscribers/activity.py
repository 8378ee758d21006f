"""What became of a subscriber's messages lately: dead letters that wait, and runs that failed.

SNS counts by topic alone (docs/aws-facts.md#sns-metrics), so what it could not deliver to one of them is seen in its dead
letters only. CloudWatch shows the metrics of one account and region: of resources elsewhere nothing is known, not zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from b2bpilot.aws.metrics import Metric, Point, read, total
from b2bpilot.aws.policies import where
from b2bpilot.aws.queue_attributes import counters, url_of
from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.errors import AwsError
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.subscribers.discovery import Subscriber
from b2bpilot.ops.subscribers.naming import resource_name
from b2bpilot.pipeline.arn import account_of, name_of, region_of

DAY = timedelta(days=1)
LATELY, AGE_PERIOD_SECONDS = timedelta(minutes=15), 300
"""A queue's metrics may start so late (docs/aws-facts.md#age-of-the-oldest)."""
HOUR_SECONDS = 3_600
MINUTE = timedelta(minutes=1)
"""CloudWatch leaves the minute out in which the asked time ends."""
COUNTED = {
    "failed_runs": "Errors",
    "given_up_events": "AsyncEventsDropped",
    "unwritten_dead_letters": "DeadLetterErrors",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingDeadLetters:
    """What waits in a subscriber's dead-letter queues, by SQS's counters. `dead_letters` is None, and `error` says why, where it
    is unknown; `has_queue` False: there is none to count. `oldest` is None also where nothing waits."""

    dead_letters: int | None = None
    oldest: timedelta | None = None
    has_queue: bool = True
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRuns:
    """What CloudWatch counted in 24 hours, by COUNTED's names. None, and `error` says why, where it is unknown."""

    counts: Mapping[str, int] | None = None
    error: str | None = None


def backlog(subscriber: Subscriber, environment: Environment, *, timeouts: Timeouts) -> WaitingDeadLetters:
    """Count a subscriber's dead letters, in each of its queues. Raises nothing of AWS's."""
    arns = subscriber.dead_letter_queue_arns
    problem = "; ".join(subscriber.errors)
    if subscriber.subscription.attributes_error is not None:
        problem = str(subscriber.subscription.attributes_error)
    if problem:
        return WaitingDeadLetters(error=problem)
    if environment.stack.dead_letter_queue_arn in arns and not subscriber.is_ours:
        return WaitingDeadLetters(error="its dead letters lie in this environment's own queue, among others")
    if not arns:
        return WaitingDeadLetters(has_queue=False)
    try:
        return WaitingDeadLetters(dead_letters=sum(_depth(arn, environment, timeouts) for arn in arns))
    except AwsError as exc:
        return WaitingDeadLetters(error=str(exc))


def dated(
    found: WaitingDeadLetters, subscriber: Subscriber, oldest: Mapping[str, timedelta]
) -> WaitingDeadLetters:
    """Return it with the age of the oldest, where something waits and CloudWatch tells of each of its queues."""
    told = [oldest.get(arn) for arn in subscriber.dead_letter_queue_arns]
    known = [age for age in told if age is not None]
    return replace(found, oldest=max(known)) if found.dead_letters and len(known) == len(told) else found


def _depth(arn: str, environment: Environment, timeouts: Timeouts) -> int:
    client = where(environment.access, arn).client("sqs", timeouts)
    url = url_of(client, arn)
    if url is None:
        raise AwsError(f"queue {arn} does not exist")
    return counters(client, url).total


def failed_runs(
    subscribers: Sequence[Subscriber], environment: Environment, *, now: datetime, timeouts: Timeouts
) -> list[FailedRuns]:
    """Return what CloudWatch counted of each subscriber's functions, in the order given. Raises nothing of AWS's."""
    functions = [list(one.function_arns) for one in subscribers]
    ask = partial(read, since=now - DAY, until=now + MINUTE, period_seconds=HOUR_SECONDS, timeouts=timeouts)
    found = _by_region([arn for arns in functions for arn in arns], environment, _failures_of, ask)
    return [_summed(arns, found) for arns in functions]


def ages(
    queue_arns: Iterable[str], environment: Environment, *, now: datetime, timeouts: Timeouts
) -> dict[str, timedelta]:
    """Return how old the oldest message of each queue is, of those of which CloudWatch says it. Raises nothing of AWS's."""
    ask = partial(
        read, since=now - LATELY, until=now + MINUTE, period_seconds=AGE_PERIOD_SECONDS, timeouts=timeouts
    )
    found = _by_region(list(queue_arns), environment, _age_of, ask)
    return {
        arn: timedelta(seconds=points[-1].value)
        for arn, series in found.items()
        if not isinstance(series, str)
        for points in series
        if points
    }


def _failures_of(arn: str) -> list[Metric]:
    dimensions = {"FunctionName": resource_name(arn)}
    return [Metric(namespace="AWS/Lambda", name=name, dimensions=dimensions) for name in COUNTED.values()]


def _age_of(arn: str) -> list[Metric]:
    dimensions = {"QueueName": name_of(arn)}
    return [
        Metric(
            namespace="AWS/SQS", name="ApproximateAgeOfOldestMessage", dimensions=dimensions, stat="Maximum"
        )
    ]


def _by_region(
    arns: Sequence[str],
    environment: Environment,
    metrics_of: Callable[[str], list[Metric]],
    ask: Callable[[AwsAccess, Sequence[Metric]], dict[Metric, list[Point]]],
) -> dict[str, list[list[Point]] | str]:
    """Return each resource's series, or why they are unknown: one question a region."""
    found: dict[str, list[list[Point]] | str] = {}
    regions: dict[str, list[str]] = {}
    for arn in dict.fromkeys(arns):
        if (account := account_of(arn)) == environment.stack.account_id:
            regions.setdefault(region_of(arn), []).append(arn)
        else:
            found[arn] = f"CloudWatch shows nothing of account {account} here"
    for here in regions.values():
        wanted = {arn: metrics_of(arn) for arn in here}
        try:
            points = ask(
                where(environment.access, here[0]), [one for them in wanted.values() for one in them]
            )
        except AwsError as exc:
            found |= dict.fromkeys(here, str(exc))
        else:
            found |= {arn: [points[metric] for metric in them] for arn, them in wanted.items()}
    return found


def _summed(arns: Sequence[str], found: Mapping[str, list[list[Point]] | str]) -> FailedRuns:
    """Without a function there is nothing that CloudWatch could count, and nothing that is unknown."""
    counts = dict.fromkeys(COUNTED, 0)
    for arn in arns:
        series = found[arn]
        if isinstance(series, str):
            return FailedRuns(error=series)
        for name, points in zip(COUNTED, series, strict=True):
            counts[name] += round(total(points))
    return FailedRuns(counts=counts if arns else None)
