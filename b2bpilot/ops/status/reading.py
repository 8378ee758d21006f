"""One reading: every source asked at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from b2bpilot.aws.alarms import Alarm, alarms
from b2bpilot.aws.functions import Function, FunctionGone
from b2bpilot.aws.logs import LogGroup
from b2bpilot.aws.queue_attributes import Counters, counters
from b2bpilot.aws.session import Timeouts
from b2bpilot.aws.stack import PREFIX
from b2bpilot.aws.subscriptions import Subscription, subscriptions
from b2bpilot.errors import AwsError, PilotError
from b2bpilot.ops.asking import Inquiry, InquiryAnswer, T
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.redrive_in_aws.switch import Switched, switched
from b2bpilot.ops.rejections import PAUSES, Rejections, rejections
from b2bpilot.ops.runs.record import RunRecord
from b2bpilot.ops.runs.runs import list_runs
from b2bpilot.ops.status.dead_letters import DeadLetters, dead_letters
from b2bpilot.ops.status.subscribers import SubscriberState, other_subscribers, who_is_missing
from b2bpilot.ops.status.traffic import Count, Traffic, traffic
from b2bpilot.ops.status.unpublished import Unpublished, unpublished
from b2bpilot.ops.subscribers.missing import Absence
from b2bpilot.ops.table.asked import AskedTable
from b2bpilot.ops.table.database_proof import DatabaseProof
from b2bpilot.ops.table.row_state import rows_of
from b2bpilot.pipeline.arn import name_of
from b2bpilot.pipeline.models import SubmissionStatus
from b2bpilot.pipeline.summary import TableSummary, summarize

SOURCE_SECONDS = 8.0
CLEANUP_SECONDS = 3.0
LAST_RUNS = 3
NOTHING = Counters(visible=0, hidden=0, delayed=0)
LOG_WINDOW = timedelta(hours=3)
"""A busy log takes longer to search than one source may."""

OpenTable = Callable[[], AbstractContextManager[AskedTable]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRequest:
    """What to look at. `looks_at_letters` False reads the queue's counters only."""

    window: timedelta
    seconds: float = SOURCE_SECONDS
    looks_at_dead_letters: bool = True
    counted: Traffic | None = None
    """What CloudWatch counted a moment ago: it is not asked again. Each metric costs, each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What each source said. `reserved` holds None for a function without a reserve."""

    environment: Environment
    at: datetime
    traffic: InquiryAnswer[Traffic]
    rejections: InquiryAnswer[Rejections]
    unpublished: InquiryAnswer[Unpublished]
    """By the webhook's log, of three hours at most."""
    dead_letters: InquiryAnswer[DeadLetters]
    rows: InquiryAnswer[TableSummary]
    dead_lettered: InquiryAnswer[int]
    """How many failed messages have a dead letter among those that were seen."""
    database: InquiryAnswer[DatabaseProof]
    """Whose the rows are."""
    reserved: InquiryAnswer[ReservedConcurrency]
    subscriptions: InquiryAnswer[Sequence[Subscription]]
    subscribers: InquiryAnswer[Sequence[SubscriberState]]
    """All but the processor."""
    alarms: InquiryAnswer[Sequence[Alarm]]
    redriver: InquiryAnswer[Switched]
    runs: InquiryAnswer[Sequence[RunRecord]]
    message_queue: InquiryAnswer[Counters] = field(default_factory=lambda: InquiryAnswer(value=NOTHING))
    """Between topic and processor; a stack of the release before has none."""
    absence: InquiryAnswer[Absence] = field(default_factory=lambda: InquiryAnswer(value=Absence()))
    """Who imports the topic, and is not subscribed."""
    express: InquiryAnswer[ReservedConcurrency | None] = field(default_factory=InquiryAnswer)
    """The express processor's; None without an express lane."""

    @property
    def unanswered(self) -> Iterator[tuple[str, InquiryAnswer[object]]]:
        """Yield the sources that did not answer, by name."""
        named: dict[str, InquiryAnswer[object]] = {
            "CloudWatch's metrics": self.traffic,
            "the webhook's refusals": self.rejections,
            "what the webhook could not publish": self.unpublished,
            "the dead-letter queue": self.dead_letters,
            "the database": self.rows,
            "the processor's reserved concurrency": self.reserved,
            "the express processor's reserved concurrency": self.express,
            "the topic's subscriptions": self.subscriptions,
            **(
                {"the other subscribers": self.subscribers, "who is missing": self.absence}
                if self.subscriptions.error is None
                else {}
            ),
            "the alarms": self.alarms,
            "the redriver's mapping": self.redriver,
            "the message queue": self.message_queue,
            "this machine's runs": self.runs,
        }
        yield from ((name, answer) for name, answer in named.items() if answer.error is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservedConcurrency:
    """How many runs at once a function may have; None when nothing is reserved for it."""

    runs: int | None
    is_there: bool = True
    """False: the function does not exist, which the stack has."""


def reading(
    environment: Environment, table: OpenTable, *, home: Path, wanted: StatusRequest, now: datetime
) -> Reading:
    """Ask all sources at once. Takes no longer than the slowest may; raises nothing that a source does."""
    stop = threading.Event()
    timeouts = Timeouts(connect_seconds=wanted.seconds / 3, read_seconds=wanted.seconds / 2, attempts=2)
    failed_since = now - min(wanted.window, LOG_WINDOW)

    def ask(source: Callable[[], T]) -> Inquiry[T]:
        return Inquiry(source, seconds=wanted.seconds)

    def look() -> DeadLetters:
        wants_look = wanted.looks_at_dead_letters
        return dead_letters(environment.queue(), wants_look=wants_look, now=now, stop=stop)

    queue = ask(look)
    with _ended(queue, stop):
        metrics = ask(
            lambda: wanted.counted or traffic(environment, window=wanted.window, now=now, timeouts=timeouts)
        )
        refused = ask(lambda: _rejections(metrics.answer(), environment, timeouts))
        failures = ask(lambda: _unpublished(environment, timeouts, since=failed_since))
        dead_lettered = ask(lambda: _dead_lettered(queue.answer(), table))
        rows = ask(lambda: _rows(table, environment, since=now - wanted.window))
        proof = ask(lambda: _proof(table))
        reserved = ask(lambda: _reserved(environment.processor()))
        express = ask(lambda: _express(environment))
        subscribed = ask(
            lambda: subscriptions(environment.access, environment.stack.topic_arn, timeouts=timeouts)
        )
        others = ask(lambda: other_subscribers(subscribed.answer(), environment, timeouts=timeouts))
        missing = ask(lambda: who_is_missing(subscribed.answer(), environment, timeouts=timeouts))
        ours = ask(lambda: _alarms(environment, timeouts))
        mapping = ask(lambda: switched(environment))
        waiting = ask(lambda: _message_queue(environment, timeouts))
        runs = ask(lambda: _runs(home, environment))
        return Reading(
            environment=environment,
            at=now,
            traffic=metrics.answer(),
            rejections=refused.answer(),
            unpublished=failures.answer(),
            rows=rows.answer(),
            database=proof.answer(),
            reserved=reserved.answer(),
            express=express.answer(),
            subscriptions=subscribed.answer(),
            subscribers=others.answer(),
            absence=missing.answer(),
            alarms=ours.answer(),
            redriver=mapping.answer(),
            runs=runs.answer(),
            message_queue=waiting.answer(),
            dead_letters=queue.answer(),
            dead_lettered=dead_lettered.answer(),
        )


def _message_queue(environment: Environment, timeouts: Timeouts) -> Counters:
    url = environment.stack.message_queue_url
    return counters(environment.access.client("sqs", timeouts), url) if url else NOTHING


@contextmanager
def _ended(queue: Inquiry[DeadLetters], stop: threading.Event) -> Iterator[None]:
    """Whatever happens, a look that is still going on gives its dead letters back."""
    try:
        yield
    finally:
        stop.set()
        queue.end(seconds=CLEANUP_SECONDS)


def _proof(open_table: OpenTable) -> DatabaseProof:
    with open_table() as table:
        return table.proof


def _dead_lettered(dead_letters: InquiryAnswer[DeadLetters], open_table: OpenTable) -> int:
    """Lambda runs none of these again. Nothing is said where the dead letters were not looked at, or the rows prove nothing."""
    look = dead_letters.value.look if dead_letters.value else None
    if look is None:
        raise PilotError("the dead letters were not looked at")
    if not look.messages:
        return 0
    with open_table() as table:
        if not table.proof.is_proven:
            raise PilotError("the database is not proven to be the processor's")
        rows = rows_of(table, look.messages)
    return sum(row.status is SubmissionStatus.FAILED for row in rows.values())


def _unpublished(environment: Environment, timeouts: Timeouts, *, since: datetime) -> Unpublished:
    name = environment.stack.webhook_function_name
    group = LogGroup.of_function(name, access=environment.access, timeouts=timeouts, pauses=PAUSES)
    return unpublished(group, since=since)


def _rows(open_table: OpenTable, environment: Environment, *, since: datetime) -> TableSummary:
    stale_after = timedelta(minutes=float(environment.stack.stale_after_minutes))
    with open_table() as table:
        return summarize(table.database.connection, stale_after=stale_after, since=since)


def _rejections(counted: InquiryAnswer[Traffic], environment: Environment, timeouts: Timeouts) -> Rejections:
    """The log is read only where CloudWatch counts some: it alone tells which of them are our own probes."""
    seen = counted.value
    if seen is None:
        raise AwsError("CloudWatch's metrics, which count them, did not answer")
    if not seen.total(Count.REJECTED):
        return Rejections(others=0, probes=0, is_complete=True)
    name = environment.stack.webhook_function_name
    group = LogGroup.of_function(name, access=environment.access, timeouts=timeouts, pauses=PAUSES)
    return rejections(group, since=seen.since - seen.period, until=seen.until)


def _reserved(function: Function) -> ReservedConcurrency:
    return ReservedConcurrency(runs=function.reserved_concurrency())


def _express(environment: Environment) -> ReservedConcurrency | None:
    name = environment.stack.express_function_name
    try:
        return _reserved(Function.connect(name, access=environment.access)) if name else None
    except FunctionGone:
        return ReservedConcurrency(runs=None, is_there=False)


def _alarms(environment: Environment, timeouts: Timeouts) -> Sequence[Alarm]:
    """Another environment's name may end like ours: what an alarm watches decides whose it is."""
    stack = environment.stack
    ours = {
        name_of(stack.topic_arn),
        name_of(stack.message_queue_arn),
        name_of(stack.dead_letter_queue_arn),
        stack.webhook_function_name,
        *stack.processors,
        stack.stale_function_name,
        stack.redriver_function_name,
        stack.api_id,
    }
    return [
        alarm
        for alarm in alarms(environment.access, PREFIX, timeouts=timeouts)
        if alarm.namespace == f"B2BPilot/{stack.environment}" or ours & set(alarm.dimensions.values())
    ]


def _runs(home: Path, environment: Environment) -> Sequence[RunRecord]:
    ours = (record for record in list_runs(home) if record.environment == environment.name)
    return list(islice(ours, LAST_RUNS))
