"""The topic's subscriptions, whether each can receive, and what SNS counted on the topic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from b2bpilot.advice import Command, our_command
from b2bpilot.aws.metrics import Metric, read, total
from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.aws.subscriptions import Subscription
from b2bpilot.errors import AwsError
from b2bpilot.ops.asking import Inquiry, InquiryAnswer
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.subscribers.activity import (
    FailedRuns,
    WaitingDeadLetters,
    ages,
    backlog,
    dated,
    failed_runs,
)
from b2bpilot.ops.subscribers.discovery import Subscriber, subscribers_of
from b2bpilot.ops.subscribers.health import (
    Health,
    Reason,
    SubscriptionReport,
    health_of,
    report,
)
from b2bpilot.ops.subscribers.missing import Absence, ImportingStack, absence, importing_stacks
from b2bpilot.ops.subscribers.permission import read_permission
from b2bpilot.pipeline.arn import name_of
from b2bpilot.plural import many

DAY = timedelta(days=1)
AT_ONCE = 8
TIMEOUTS = Timeouts(connect_seconds=3, read_seconds=5, attempts=3)
SECONDS = 30.0
"""Who is missing is asked beside the rest, and keeps it no longer than its own limits would."""
COUNTED = {
    "published": "NumberOfMessagesPublished",
    "delivered": "NumberOfNotificationsDelivered",
    "failed": "NumberOfNotificationsFailed",
    "filtered_out": "NumberOfNotificationsFilteredOut",
    "redriven": "NumberOfNotificationsRedrivenToDlq",
    "redrive_failed": "NumberOfNotificationsFailedToRedriveToDlq",
}


def backfill_command(name: str) -> Command:
    """Name the command that sends a subscriber what it missed in the last day."""
    return our_command("subscribers", "backfill", name, "--since", "24h")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberReport:
    """A subscriber, whether it can receive, and what became of what it received."""

    subscriber: Subscriber
    report: SubscriptionReport
    backlog: WaitingDeadLetters
    failed_runs: FailedRuns

    @property
    def problems(self) -> tuple[Reason, ...]:
        """What can be received and waits as dead letters is unhealthy, too."""
        return (*self._with_commands(), *self._dead_letters(), *self._lost())

    @property
    def doubts(self) -> tuple[Reason, ...]:
        error = self.backlog.error
        unknown = (Reason(text=f"how many dead letters it has is unknown: {error}"),) if error else ()
        return (*self.report.doubts, *unknown)

    @property
    def health(self) -> Health:
        return health_of(self.problems, self.doubts)

    def _with_commands(self) -> Iterator[Reason]:
        """What has no command of its own, `verify` tells with all that is wrong beside it."""
        whose = () if self.subscriber.is_ours else ("--subscriber", self.subscriber.name)
        for one in self.report.problems:
            yield one if one.command else Reason(text=one.text, command=our_command("verify", *whose))

    def _lost(self) -> Iterator[Reason]:
        """The processor stores it all the same: from its rows it can be sent once more, to this one only."""
        if self.report.is_losing and not self.subscriber.is_ours:
            yield Reason(
                text="what it missed is sent to it alone, when it can receive again",
                command=backfill_command(self.subscriber.name),
            )

    def _dead_letters(self) -> Iterator[Reason]:
        """The express lane's lie among the processor's, with which they are told."""
        if self.subscriber.is_express:
            return
        if number := self.backlog.dead_letters:
            yield Reason(
                text=f"{many(number, 'dead letter')} {'waits' if number == 1 else 'wait'} for somebody",
                command=self._list(),
            )

    def _list(self) -> Command:
        if self.subscriber.is_processor:
            return our_command("dlq", "list")
        return our_command("dlq", "list", "--subscriber", self.subscriber.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicReport:
    """All subscribers of the topic. `counts` are of the topic for the last 24 hours: SNS has none per subscription
    (docs/aws-facts.md#sns-metrics). None of them when CloudWatch could not be asked; `counts_error` then says why."""

    reports: tuple[SubscriberReport, ...]
    absence: Absence
    counts: Mapping[str, int] | None
    counts_error: AwsError | None = None

    @property
    def lacks_processor(self) -> bool:
        """Whether nothing that is published reaches the processor."""
        return not any(one.subscriber.is_processor for one in self.reports)

    @property
    def is_unhealthy(self) -> bool:
        return (
            self.lacks_processor
            or bool(self.absence.missing)
            or any(one.health is Health.UNHEALTHY for one in self.reports)
        )


def report_on_topic(environment: Environment, *, now: datetime) -> TopicReport:
    """Ask about all of them at the same time. Raises AwsError when the subscriptions cannot be listed."""
    access = environment.access
    with ThreadPoolExecutor(AT_ONCE) as pool:
        counts = pool.submit(_counts, access, environment.stack.topic_arn, now)
        importing = Inquiry(lambda: importing_stacks(environment, timeouts=TIMEOUTS), seconds=SECONDS)
        found = subscribers_of(environment)
        queues = {arn for one in found for arn in one.dead_letter_queue_arns}
        runs = pool.submit(failed_runs, found, environment, now=now, timeouts=TIMEOUTS)
        oldest = pool.submit(ages, queues, environment, now=now, timeouts=TIMEOUTS)
        backlogs = [pool.submit(backlog, one, environment, timeouts=TIMEOUTS) for one in found]
        reports = pool.map(lambda one: judged(one.subscription, environment), found)
        counted, error = counts.result()
        return TopicReport(
            reports=tuple(
                SubscriberReport(
                    subscriber=one,
                    report=report,
                    backlog=dated(waiting.result(), one, oldest.result()),
                    failed_runs=failed,
                )
                for one, report, waiting, failed in zip(found, reports, backlogs, runs.result(), strict=True)
            ),
            absence=_absence(importing.answer(), found, environment),
            counts=counted,
            counts_error=error,
        )


def _absence(
    answer: InquiryAnswer[list[ImportingStack]], found: Sequence[Subscriber], environment: Environment
) -> Absence:
    if answer.value is None:
        return Absence(unknown=(f"who is missing: {answer.error}",))
    return absence(answer.value, [one.subscription for one in found], environment)


def judged(
    subscription: Subscription, environment: Environment, *, timeouts: Timeouts = TIMEOUTS
) -> SubscriptionReport:
    """Report on one subscription: what `subscribers`, `status` and `verify` say of it is the same."""
    access, topic_arn = environment.access, subscription.topic_arn or environment.stack.topic_arn
    target = subscription.redrive_target_arn
    return report(
        subscription,
        environment.stack,
        endpoint=read_permission(
            subscription.endpoint, subscription.protocol, topic_arn, access, timeouts=timeouts
        ),
        redrive=read_permission(target or "", "sqs" if target else "", topic_arn, access, timeouts=timeouts),
    )


def _counts(
    access: AwsAccess, topic_arn: str, now: datetime
) -> tuple[dict[str, int] | None, AwsError | None]:
    topic = {"TopicName": name_of(topic_arn)}
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
