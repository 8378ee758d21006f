"""Asking everything that may know a message, in as few rounds as possible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

from b2bpilot.advice import our_command
from b2bpilot.errors import NobodyAnswered, NotFound, PilotError
from b2bpilot.ops.asking import InquiryAnswer
from b2bpilot.ops.inspect import attempts as runs
from b2bpilot.ops.inspect.aliases import other_messages
from b2bpilot.ops.inspect.context import InspectContext
from b2bpilot.ops.inspect.diagnosis import MessageDiagnosis, diagnose
from b2bpilot.ops.inspect.evidence import MessageEvidence
from b2bpilot.ops.inspect.identity import Identifier, IdentifierKind
from b2bpilot.ops.inspect.numbers import identifier_of, messages_of
from b2bpilot.ops.inspect.real_only import is_real, without_tests
from b2bpilot.ops.inspect.row_found import MessageRow, find_row
from b2bpilot.ops.inspect.source import AskedSource, MessageEvent, MessageQuestion, ask_all
from b2bpilot.ops.inspect.subscribers import SubscriberStory, SubscriberTrace, message_among, stories
from b2bpilot.ops.inspect.timeline import timeline
from b2bpilot.ops.inspect.window import BEFORE, window
from b2bpilot.ops.logs.entry import LogEntry
from b2bpilot.ops.parameters import is_message_sid
from b2bpilot.ops.table.database_proof import DatabaseProof
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.message import message_id_for
from b2bpilot.pipeline.models import SubmissionStatus, UserSubmission

MOST_REQUESTS = 10
NOBODY_ELSE: InquiryAnswer[Sequence[SubscriberStory]] = InquiryAnswer(value=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """One message's story. `found_as` says what the id turned out to be."""

    message_id: str
    found_as: str | None
    row: UserSubmission | None
    """The message's own, in a database that is proven to be the processor's."""
    database: DatabaseProof | None
    asked: Sequence[AskedSource]
    moments: Sequence[MessageEvent]
    attempts: Sequence[runs.ProcessorRun]
    diagnosis: MessageDiagnosis
    since: datetime
    until: datetime
    subscribers: InquiryAnswer[Sequence[SubscriberStory]] = NOBODY_ELSE
    """What became of it at the topic's other subscribers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Several:
    """What was asked for leads to more than one message. `rows` are those of them that were read. `has_older`: the newest ones
    only."""

    found_as: str
    message_ids: Sequence[str]
    rows: Sequence[UserSubmission]
    has_older: bool = False


def inspect(identifier: Identifier, context: InspectContext) -> Inspection | Several:
    """Tell the message's story. Raises NotFound when nobody who answered knows it, NobodyAnswered, UsageError for a number without a time."""
    if identifier.kind is IdentifierKind.NUMBER:
        return _by_number(identifier, context)
    return _by_id(identifier, context, found_as=None)


def _by_id(identifier: Identifier, context: InspectContext, *, found_as: str | None) -> Inspection | Several:
    message_id, sources = identifier.message_id or "", context.sources
    question = _question(identifier, None, context)
    with ThreadPoolExecutor(2) as early:
        dead_letters = early.submit(ask_all, [sources.queue], question)
        found = find_row(identifier, context)
        row = found.any
        question = _question(identifier, row, context)
        traced = early.submit(_traced, question, context)
        is_sid_known = question.message_sid is not None and not question.is_test
        asked = ask_all([*sources.by_time, *([sources.twilio] if is_sid_known else [])], question)
        asked += dead_letters.result()
    if row is None and (others := other_messages(message_id, _entries(asked), _dead_letters(asked))):
        return _by_alias(identifier, others, asked, context)
    found = found.among(identifier, _dead_letters(asked), _entries(asked))
    if found.is_a_tests:
        question = replace(question, is_test=False, reply_sid=None)
    if row is None or found.is_a_tests:
        asked, question = _asked_around_dead_letters(asked, question, context)
    if not is_sid_known:
        sid = question.message_sid or _sid(message_id, _dead_letters(asked), _entries(asked))
        question = replace(question, message_sid=sid)
        asked += ask_all([sources.twilio], question)
    asked += _about_requests(question, asked, context)
    if found.is_a_tests and is_real(message_id, asked):
        asked = without_tests(asked, message_id)
    return _told(
        question,
        found.among(identifier, _dead_letters(asked), _entries(asked)),
        asked,
        context,
        found_as=found_as,
        traced=traced.result(),
    )


def _question(identifier: Identifier, row: UserSubmission | None, context: InspectContext) -> MessageQuestion:
    message_id = identifier.message_id or ""
    since, until = window(row, [], since=context.since, now=context.now)
    return MessageQuestion(
        message_id=message_id,
        ids=frozenset({message_id}),
        since=since,
        until=until,
        message_sid=identifier.text
        if identifier.kind is IdentifierKind.MESSAGE_SID
        else row.message_sid
        if row
        else None,
        reply_sid=row.reply_sid if row else None,
        is_test=row.test if row else False,
    )


def _sid(message_id: str, dead_letters: Sequence[DeadLetter], lines: Sequence[LogEntry]) -> str | None:
    """What dead letters and the webhook's log call the message at Twilio. A line may hold what a stranger claimed."""
    sids = [
        dead_letter.message.params.get("MessageSid") for dead_letter in dead_letters if dead_letter.message
    ]
    named = [str(line.value("message_sid") or "") for line in lines]
    sids += [sid for sid in named if is_message_sid(sid) and message_id_for(sid) == message_id]
    return next((sid for sid in sids if sid), None)


def _told(
    question: MessageQuestion,
    found: MessageRow,
    asked: Sequence[AskedSource],
    context: InspectContext,
    *,
    found_as: str | None,
    traced: InquiryAnswer[Sequence[SubscriberTrace]],
) -> Inspection:
    row, problem = found.row, found.problem
    evidence = MessageEvidence(
        message_id=question.message_id,
        row=row,
        row_problem=problem,
        other_row=found.other,
        other_row_is=found.other_is,
        database=found.database,
        asked=asked,
        attempts=_attempts(question.message_id, asked),
        now=context.now,
    )
    if not evidence.is_known:
        raise _nobody_knows(question, asked, found)
    more = [
        *_about_subscriptions(evidence, question, context),
        *_about_retries(evidence, question, context),
    ]
    evidence = replace(evidence, asked=[*asked, *more])
    diagnosis, subscribers = diagnose(evidence), _subscribers(traced, evidence)
    steps = [step for one in subscribers.value or () for step in one.next_steps(row)]
    return Inspection(
        message_id=question.message_id,
        found_as=found_as,
        row=row,
        database=found.database,
        asked=_once_each([_database(problem), *evidence.asked]),
        moments=timeline(evidence.asked, evidence.attempts, row),
        attempts=evidence.attempts,
        diagnosis=replace(diagnosis, next_steps=[*diagnosis.next_steps, *steps]),
        since=question.since,
        until=question.until,
        subscribers=subscribers,
    )


def _traced(question: MessageQuestion, context: InspectContext) -> InquiryAnswer[Sequence[SubscriberTrace]]:
    """Each of them has a limit of its own; here only who is subscribed can fail."""
    if context.sources.subscribers is None:
        return InquiryAnswer(value=())
    try:
        return InquiryAnswer(value=context.sources.subscribers(question))
    except PilotError as exc:
        return InquiryAnswer(error=str(exc), hint=exc.hint)


def _subscribers(
    traced: InquiryAnswer[Sequence[SubscriberTrace]], evidence: MessageEvidence
) -> InquiryAnswer[Sequence[SubscriberStory]]:
    message = message_among(evidence.row, [*evidence.dead_letters, *evidence.other_dead_letters])
    if traced.value is None:
        return InquiryAnswer(error=traced.error, hint=traced.hint)
    return InquiryAnswer(value=stories(traced.value, message))


def _by_alias(
    identifier: Identifier, others: Mapping[str, str], asked: Sequence[AskedSource], context: InspectContext
) -> Inspection | Several:
    first, found_as = next(iter(others.items()))
    if len(others) > 1:
        return Several(found_as=found_as, message_ids=list(others), rows=[])
    times = [line.at for line in _entries(asked)]
    near = replace(context, since=context.since or min(times) - BEFORE) if times else context
    return _by_id(replace(identifier, text=first, message_id=first), near, found_as=found_as)


def _by_number(identifier: Identifier, context: InspectContext) -> Inspection | Several:
    found, has_older = messages_of(identifier.text, context)
    (text, row), *others = found.items()
    if not others:
        return _by_id(
            identifier_of(text, row), replace(context, since=None), found_as=IdentifierKind.NUMBER.value
        )
    return Several(
        found_as=IdentifierKind.NUMBER.value,
        message_ids=list(found),
        rows=[one for one in found.values() if one],
        has_older=has_older,
    )


def _asked_around_dead_letters(
    asked: list[AskedSource], question: MessageQuestion, context: InspectContext
) -> tuple[list[AskedSource], MessageQuestion]:
    """Ask once more when a dead letter is older than the time that was looked at."""
    since, until = window(None, _dead_letters(asked), since=context.since, now=context.now)
    if since >= question.since:
        return asked, question
    wider = replace(question, since=since, until=until)
    by_time = {source.name for source in context.sources.by_time}
    kept = [one for one in asked if one.name not in by_time]
    return ask_all(context.sources.by_time, wider) + kept, wider


def _about_requests(
    question: MessageQuestion, asked: Sequence[AskedSource], context: InspectContext
) -> list[AskedSource]:
    """Ask the processors' logs for the requests that concern the message: Lambda's own lines name no message."""
    requests = {line.request_id for line in _entries(asked) if line.function in runs.PROCESSORS}
    requests |= {dead_letter.failure.request_id for dead_letter in _dead_letters(asked)}
    wanted = sorted(one for one in requests if one and one.replace("-", "").isalnum())[:MOST_REQUESTS]
    if not wanted or not context.sources.processors:
        return []
    return ask_all(context.sources.processors, replace(question, ids=frozenset(wanted)))


def _about_subscriptions(
    evidence: MessageEvidence, question: MessageQuestion, context: InspectContext
) -> list[AskedSource]:
    published = evidence.lines("webhook", "published")
    is_accepted = any(moment.sns_message_id for one in evidence.asked for moment in one.answer.moments)
    if evidence.row or evidence.attempts or not is_accepted or context.sources.subscriptions is None:
        return []
    line = (published[-1].document or {}) if published else {}
    return ask_all([context.sources.subscriptions(line)], question)


def _about_retries(
    evidence: MessageEvidence, question: MessageQuestion, context: InspectContext
) -> list[AskedSource]:
    failed = evidence.row is not None and evidence.row.status is SubmissionStatus.FAILED
    if not failed or evidence.dead_letters or context.sources.retries is None:
        return []
    return ask_all([context.sources.retries], question)


def _attempts(message_id: str, asked: Sequence[AskedSource]) -> list[runs.ProcessorRun]:
    lines = {line.event_id: line for line in _entries(asked) if line.function in runs.PROCESSORS}
    return runs.attempts(list(lines.values()), message_id)


def _nobody_knows(question: MessageQuestion, asked: Sequence[AskedSource], row: MessageRow) -> PilotError:
    """Return what is to be raised where nobody who answered knows the message: who did not answer might."""
    everybody = _once_each([_database(row.problem), *asked])
    answered = ", ".join(one.name for one in everybody if not one.problem)
    silent = "; ".join(f"{one.name}: {one.problem}" for one in everybody if one.problem)
    id_ = question.message_sid or question.message_id
    if not answered:
        return NobodyAnswered(f"nobody could be asked about {id_}. Not asked: {silent}", hint=row.hint)
    looked = f"{question.since:%Y-%m-%d %H:%M} to {question.until:%Y-%m-%d %H:%M} UTC"
    unasked = f". Not asked: {silent}" if silent else ""
    return NotFound(
        f"no trace of {id_} found. Asked: {answered} ({looked}){unasked}",
        hint="look further back with --since 2d; "
        + our_command("logs", "--level", "warning")
        + " shows requests that were refused",
    )


def _database(problem: str | None) -> AskedSource:
    return AskedSource(name="database", problem=problem)


def _once_each(asked: Sequence[AskedSource]) -> list[AskedSource]:
    return list({one.name: one for one in reversed(asked)}.values())[::-1]


def _entries(asked: Sequence[AskedSource]) -> list[LogEntry]:
    return [line for one in asked for line in one.answer.entries]


def _dead_letters(asked: Sequence[AskedSource]) -> list[DeadLetter]:
    return [dead_letter for one in asked for dead_letter in one.answer.dead_letters]
