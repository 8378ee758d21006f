"""What became of the message at the topic's other subscribers: by each one's filter, its function's log and its dead letters."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from functools import partial

from b2bpilot.advice import Words, our_command
from b2bpilot.aws.logs import LogGroupMissing
from b2bpilot.aws.session import Timeouts
from b2bpilot.aws.subscriptions import subscriptions
from b2bpilot.errors import PilotError
from b2bpilot.ops.asking import Inquiry, InquiryAnswer
from b2bpilot.ops.backfill.rebuild import message_of
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.inspect.dead_letters import DeadLetterSource
from b2bpilot.ops.inspect.function_log import FunctionLog
from b2bpilot.ops.inspect.source import MessageQuestion, SourceAnswer
from b2bpilot.ops.logs.entry import LogEntry, LogLevel
from b2bpilot.ops.logs.of_subscriber import groups_of
from b2bpilot.ops.subscribers.activity import backlog
from b2bpilot.ops.subscribers.discovery import Subscriber, others_among, recipient_of
from b2bpilot.ops.subscribers.evaluation import SubscriptionEvaluation, evaluate_all
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.message import PilotMessage, encode
from b2bpilot.pipeline.models import UserSubmission
from b2bpilot.plural import many

TIMEOUTS = Timeouts(connect_seconds=3, read_seconds=10, attempts=3)
PAUSES = (0.5, 1.0)
SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberTrace:
    """What one of them knows of the message. `log` and `dead_letters` hold why they were not looked at."""

    message_id: str
    subscriber: Subscriber
    log: InquiryAnswer[SourceAnswer]
    dead_letters: InquiryAnswer[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberStory:
    """A trace beside what the filter policy does with the message; `evaluation` is None where nobody knows the message."""

    trace: SubscriberTrace
    evaluation: SubscriptionEvaluation | None

    @property
    def name(self) -> str:
        return self.trace.subscriber.name

    @property
    def delivers(self) -> bool | None:
        return self.evaluation.delivers if self.evaluation else None

    @property
    def events(self) -> list[str]:
        """What its log says of the message, each once, in order: what is logged without an event is a line."""
        found = self.trace.log.value.entries if self.trace.log.value else ()
        return list(dict.fromkeys(line.event or "a line" for line in sorted(found, key=lambda one: one.at)))

    @property
    def look(self) -> Words | None:
        """Return the command that shows its failure; None where its log has none."""
        found = self.trace.log.value.entries if self.trace.log.value else ()
        failed = sorted((one for one in found if one.level >= LogLevel.ERROR), key=lambda one: one.at)
        if not failed:
            return None
        first = failed[0]
        which = ("--message-id", first.message_id) if first.message_id else ("--level", "error")
        since = f"{first.at:%Y-%m-%dT%H:%M}Z"
        return our_command("logs", "--subscriber", self.trace.subscriber.name, *which, "--since", since)

    def next_steps(self, row: UserSubmission | None) -> Iterator[Words]:
        """Return what brings the message to this subscriber. A log that does not name it proves nothing of code that logs no id: who
        has got it is told so."""
        message_id, waiting = self.trace.message_id, self.trace.dead_letters.value
        if waiting:
            yield (
                f"fix the cause at {self.name}, then: "
                + our_command("dlq", "redrive", "--subscriber", self.name, "--message-id", message_id)
            )
        has_no_trace = waiting == 0 and self.trace.log.value is not None and not self.events
        if self.delivers and has_no_trace and row is not None:
            since, only = (
                f"{row.created_at.astimezone(UTC):%Y-%m-%dT%H:%M}Z",
                f"message.message_id == '{message_id}'",
            )
            yield (
                f"if {self.name} has not got it: "
                + our_command("subscribers", "backfill", self.name, "--since", since, "--where", only)
            )

    def in_words(self) -> str:
        return f"{self._filter()}; {self._log()}; {self._dead_letters()}"

    def _filter(self) -> str:
        match self.delivers:
            case True:
                return "its filter policy lets it through"
            case False if self.evaluation and self.evaluation.subscription.confirmed is False:
                return "nobody confirmed it: SNS delivers nothing to it"
            case False:
                return f"its filter policy rejects it{self._why()}"
            case None:
                return f"whether its filter policy lets it through is unknown{self._why()}"

    def _why(self) -> str:
        if self.evaluation is None:
            return ": nothing here has the message"
        if error := self.evaluation.subscription.attributes_error:
            return f": {error}"
        judged = self.evaluation.evaluation
        keys = [key.in_words() for key in judged.keys]
        return f": {'; '.join(keys) or judged.problem}" if keys or judged.problem else ""

    def _log(self) -> str:
        if self.trace.log.value is None:
            return f"its log is unknown: {self.trace.log.error}"
        return f"its log: {', '.join(self.events)}" if self.events else "its log does not name it"

    def _dead_letters(self) -> str:
        number = self.trace.dead_letters.value
        if number is None:
            return f"its dead letters are unknown: {self.trace.dead_letters.error}"
        return f"{many(number, 'dead letter')} of it" if number else "no dead letter of it"


def traces(environment: Environment, question: MessageQuestion) -> list[SubscriberTrace]:
    """Ask all but the processor, side by side, each with a limit. Raises AwsError when nobody could say who is subscribed."""
    listed = subscriptions(environment.access, environment.stack.topic_arn, timeouts=TIMEOUTS)
    asked = [
        (
            one,
            Inquiry(partial(_log, one, environment, question), seconds=SECONDS),
            Inquiry(partial(_dead_letters, one, environment, question), seconds=SECONDS),
        )
        for one in others_among(environment, listed)
    ]
    return [
        SubscriberTrace(
            message_id=question.message_id,
            subscriber=one,
            log=log.answer(),
            dead_letters=dead_letters.answer(),
        )
        for one, log, dead_letters in asked
    ]


def stories(found: Sequence[SubscriberTrace], message: PilotMessage | None) -> list[SubscriberStory]:
    """Hold the message against each one's filter policy."""
    return [
        SubscriberStory(
            trace=one,
            evaluation=evaluate_all([one.subscriber.subscription], encode(message))[0] if message else None,
        )
        for one in found
    ]


def message_among(row: UserSubmission | None, dead_letters: Sequence[DeadLetter]) -> PilotMessage | None:
    """Return the message as it was published, of whatever still has all of it."""
    if row is not None and row.params is not None:
        try:
            return message_of(row)
        except PilotError:
            return None
    return next((one.message for one in dead_letters if one.message), None)


def _log(subscriber: Subscriber, environment: Environment, question: MessageQuestion) -> SourceAnswer:
    """A function that never ran has no log group, and so no line of the message."""
    entries: list[LogEntry] = []
    for group in groups_of(subscriber, environment, pauses=PAUSES).values():
        with contextlib.suppress(LogGroupMissing):
            entries += FunctionLog(function=subscriber.name, group=group).ask(question).entries
    return SourceAnswer(entries=tuple(entries))


def _dead_letters(subscriber: Subscriber, environment: Environment, question: MessageQuestion) -> int:
    """A look hides dead letters from their owner for a moment: where SQS counts none, nobody looks."""
    waiting = backlog(subscriber, environment, timeouts=TIMEOUTS)
    if waiting.error:
        raise PilotError(waiting.error)
    if not waiting.dead_letters:
        return 0
    queue = environment.of(recipient_of(environment, subscriber)).queue(TIMEOUTS)
    if queue.attributes().redrive_policy is not None:
        raise PilotError("its dead-letter queue has a redrive policy: looking would move them on")
    found = DeadLetterSource(queue=queue).ask(question)
    if not found.dead_letters and found.note:
        raise PilotError(found.note)
    return len(found.dead_letters)
