"""A message's story as it is shown: numbers masked and texts cut unless revealed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from b2bpilot.advice import Words, our_command
from b2bpilot.cli.logs.log_line import safe
from b2bpilot.cli.output import Line, Output, Row, of_state, pairs
from b2bpilot.cli.submissions import submission
from b2bpilot.cli.text.privacy import cut, mask_number
from b2bpilot.pipeline.message import format_time
from b2bpilot.plural import many

if TYPE_CHECKING:
    from b2bpilot.ops.inspect.attempts import ProcessorRun
    from b2bpilot.ops.inspect.identity import Identifier
    from b2bpilot.ops.inspect.inspection import Inspection, Several
    from b2bpilot.ops.inspect.source import AskedSource, MessageEvent
    from b2bpilot.ops.inspect.subscribers import SubscriberStory

SOURCE_WIDTH = 9
DATED_LATE = " (noted late, or by another clock)"


def show(output: Output, found: Inspection, *, reveal: bool) -> None:
    """One document for programs; for people the outcome first, then the story, then what to do."""
    output.record(
        {"inspection": fields(found, reveal=reveal), "submission": _row(found, reveal=reveal)}, text=[]
    )
    output.lines(story(found, reveal=reveal))


def show_several(output: Output, found: Several, *, reveal: bool, now: datetime) -> None:
    known = {row.message_id: row for row in found.rows}
    rows = []
    for message_id in found.message_ids:
        row = known.get(message_id)
        columns = {"message id": message_id, "status": "no row was asked for"}
        rows.append(
            Row(
                fields=submission.fields(row, reveal=reveal) if row else {"message_id": message_id},
                columns=submission.columns(row, reveal=reveal, now=now) if row else columns,
            )
        )
    if known and len(known) < len(rows):
        rows = [Row(fields=row.fields, columns={"message id": str(row.fields["message_id"])}) for row in rows]
    output.rows("messages", rows)
    output.notice(
        f"This {found.found_as} leads to {'these and older messages' if found.has_older else many(len(rows), 'message')}: "
        + our_command("inspect", "MESSAGE_ID")
        + " tells of one"
    )


def shown_id(identifier: Identifier) -> str:
    return identifier.text if identifier.message_id else mask_number(identifier.text)


def fields(found: Inspection, *, reveal: bool) -> dict[str, object]:
    """Return the story for programs."""
    diagnosis = found.diagnosis
    return {
        "message_id": found.message_id,
        "found_as": found.found_as,
        "verdict": diagnosis.outcome.value,
        "explanation": _text(diagnosis.explanation, reveal=reveal),
        "timeline": [
            {"at": format_time(moment.at), "source": moment.source, "what": _text(moment.what, reveal=reveal)}
            for moment in found.moments
        ],
        "attempts": [_attempt(attempt) for attempt in found.attempts],
        "subscribers": found.subscribers.map(lambda them: [_subscriber(one, reveal=reveal) for one in them]),
        "subscribers_error": found.subscribers.error,
        "gaps": list(diagnosis.gaps),
        "next": list(diagnosis.next_steps),
        "sources": [
            {"name": asked.name, "problem": asked.problem, "note": asked.answer.note} for asked in found.asked
        ],
        "database": found.database.fields() if found.database else None,
        "since": format_time(found.since),
        "until": format_time(found.until),
    }


def story(found: Inspection, *, reveal: bool) -> Iterator[Line]:
    """Return the story's lines."""
    yield from pairs(list(_head(found, reveal=reveal)))
    yield Line()
    for moment in found.moments:
        text = _text(moment.what, reveal=reveal) + (DATED_LATE if moment.is_dated_late else "")
        begun = f"{_shown_time(moment)}  {moment.source:<{SOURCE_WIDTH}}  "
        yield Line(begun + text, indent=len(begun))
    yield Line()
    yield from pairs(list(_foot(found, reveal=reveal)))


def _shown_time(moment: MessageEvent) -> str:
    """To the millisecond, or to the second where that is all that was told."""
    second = f"{moment.at:%Y-%m-%d %H:%M:%S}"
    thousandths = "    " if moment.not_before else f".{moment.at.microsecond // 1000:03}"
    return second + thousandths


def _head(found: Inspection, *, reveal: bool) -> Iterator[tuple[str, Words]]:
    row, diagnosis = found.row, found.diagnosis
    yield "message", found.message_id + (f" (found as {found.found_as})" if found.found_as else "")
    if row and row.message_sid:
        yield "MessageSid", row.message_sid
    if row and (about := _about(found, reveal=reveal)):
        yield "about", about
    yield "outcome", of_state(diagnosis.outcome) + f": {_text(diagnosis.explanation, reveal=reveal)}"


def _about(found: Inspection, *, reveal: bool) -> str:
    row = found.row
    assert row  # noqa: S101  # nosec B101  # the caller looked
    number = row.sender
    shown = (number if reveal else mask_number(number)) if number else None
    body = row.text
    parts = [
        row.message_type,
        f"from {shown}" if shown else None,
        repr(body if reveal else cut(body)) if body else None,
        f"reply {row.reply_state}" if row.reply_state else None,
    ]
    return ", ".join(part for part in parts if part)


def _foot(found: Inspection, *, reveal: bool) -> Iterator[tuple[str, Words]]:
    yield from _listed("subscriber", [_told(one, reveal=reveal) for one in found.subscribers.value or ()])
    if found.subscribers.error:
        yield "subscribers", f"unknown: {found.subscribers.error}"
    yield from _listed("gap", found.diagnosis.gaps)
    asked = [_named(one) for one in found.asked if not one.problem]
    yield (
        "asked",
        f"{', '.join(asked)}; from {found.since:%Y-%m-%d %H:%M} to {found.until:%Y-%m-%d %H:%M} UTC",
    )
    yield from _listed("not asked", [f"{one.name}: {one.problem}" for one in found.asked if one.problem])
    yield from _listed("next", found.diagnosis.next_steps or ["nothing to do"])


def _named(asked: AskedSource) -> str:
    return f"{asked.name} ({asked.answer.note})" if asked.answer.note else asked.name


def _listed(name: str, values: Sequence[Words]) -> Iterator[tuple[str, Words]]:
    for place, value in enumerate(values):
        yield "" if place else name, value


def _told(one: SubscriberStory, *, reveal: bool) -> Words:
    text = f"{one.name}: {_text(one.in_words(), reveal=reveal)}"
    return text + "; its failure: " + one.look if one.look else text


def _subscriber(one: SubscriberStory, *, reveal: bool) -> dict[str, object]:
    return {
        "name": one.name,
        "delivers": one.delivers,
        "log": None if one.trace.log.value is None else one.events,
        "log_error": one.trace.log.error,
        "dead_letters": one.trace.dead_letters.value,
        "dead_letters_error": one.trace.dead_letters.error,
        "text": _text(one.in_words(), reveal=reveal),
        "command": one.look,
    }


def _attempt(attempt: ProcessorRun) -> dict[str, object]:
    return {
        "began_at": format_time(attempt.began_at),
        "request_id": attempt.request_id,
        "status": attempt.status,
        "milliseconds": attempt.milliseconds,
        "events": sorted(attempt.events),
    }


def _row(found: Inspection, *, reveal: bool) -> dict[str, object] | None:
    row = found.row
    if row is None:
        return None
    return {**submission.fields(row, reveal=reveal), "params": submission.params(row, reveal=reveal)}


def _text(text: str, *, reveal: bool) -> str:
    return text if reveal else safe(text)
