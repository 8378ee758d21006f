"""A dead letter as it is shown: numbers masked and bodies cut unless revealed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from b2bpilot.cli.dlq import owner_view
from b2bpilot.cli.submissions import submission
from b2bpilot.cli.text.durations import relative
from b2bpilot.cli.text.privacy import cut, mask_numbers, shown_params
from b2bpilot.pipeline.message import PilotMessage, format_time
from b2bpilot.pipeline.notification import backfill_in

if TYPE_CHECKING:
    from b2bpilot.aws.logs import LogLine
    from b2bpilot.ops.dead_letters.listing import Shown
    from b2bpilot.pipeline.dead_letter import Failure

TEXT_LENGTH = 300
FRAME = re.compile(r"(?P<file>[^/\"]+?)(?:\", line |:)(?P<line>\d+)\b")
"""In `/var/task/handler.py:12 handler`, and in Python's `File "/var/task/handler.py", line 12, in handler`."""
DETAIL = re.compile(r"(\bFailing row contains \().*?(?=\)\.?(?:\s|$)|$)", re.DOTALL)
"""PostgreSQL's report of a refused row: the message itself."""


def fields(shown: Shown, *, reveal: bool) -> dict[str, object]:
    """Return a dead letter for programs."""
    dead_letter, row = shown.dead_letter, shown.row
    return {
        "id": dead_letter.queue_message_id,
        "message_id": dead_letter.message_id,
        "shape": dead_letter.shape.value,
        **{
            name: value
            for name, value in owner_view.owner_fields(dead_letter.owner).items()
            if name != "adopted"
        },
        "group": shown.group,
        "others": shown.others,
        "failure": {
            "kind": dead_letter.failure.kind.value,
            "text": _text(dead_letter.failure.text, reveal=reveal),
            "code": _text(dead_letter.failure.code, reveal=reveal),
            "request_id": _text(dead_letter.failure.request_id, reveal=reveal),
        },
        "unreadable": dead_letter.unreadable,
        "body": dead_letter.body if reveal else cut(dead_letter.body) if dead_letter.unreadable else None,
        "receive_count": dead_letter.receive_count,
        "redrives": dead_letter.redrives,
        "redriven_by": dead_letter.redriven_by,
        "backfilled_by": backfill_in(dead_letter.event),
        "expires_at": format_time(shown.expires_at) if shown.expires_at else None,
        "timeline": [{"at": format_time(moment.at), "what": moment.what} for moment in shown.timeline],
        "message": _message(dead_letter.message, reveal=reveal) if dead_letter.message else None,
        "row_state": row.state.value if row.state else None,
        "row": submission.fields(row.row, reveal=reveal) if row.row else None,
        "database": row.database.fields() if row.database else None,
        "database_error": row.error,
        "log": [
            {"at": format_time(line.at), "line": _text(line.text, reveal=reveal)} for line in shown.log.lines
        ],
        "log_missing": shown.log.missing,
        "decision": shown.decision.value,
        "redrive": shown.redrive,
    }


def story(shown: Shown, *, reveal: bool, now: datetime) -> list[tuple[str, str]]:
    """Return a dead letter as named lines, without what it does not have."""
    dead_letter = shown.dead_letter
    lines = [
        ("dead letter", f"{dead_letter.queue_message_id} ({dead_letter.shape}, group {shown.group})"),
        ("owner", f"{dead_letter.owner}{', its express lane' if dead_letter.owner.lane else ''}"),
        ("failure", _failure(dead_letter.failure, reveal=reveal)),
        ("unreadable", dead_letter.unreadable),
        ("body", (dead_letter.body if reveal else cut(dead_letter.body)) if dead_letter.unreadable else None),
        (
            "others",
            f"{shown.others} older dead letter{'s'[: shown.others != 1]} of this message"
            if shown.others
            else None,
        ),
        ("expires", _moment(shown.expires_at, now=now) if shown.expires_at else None),
        *_below("timeline", [f"{_moment(moment.at, now=now)}  {moment.what}" for moment in shown.timeline]),
        *_of_message(dead_letter.message, reveal=reveal),
        *_of_row(shown, reveal=reveal),
        *_below("log", [_log_line(line, reveal=reveal) for line in shown.log.lines]),
        ("log", f"none: {shown.log.missing}" if shown.log.missing else None),
        ("redrive would", shown.redrive),
    ]
    return [(name, value) for name, value in lines if value is not None]


def _failure(failure: Failure, *, reveal: bool) -> str:
    text = f": {_text(failure.text, reveal=reveal)}" if failure.text else ""
    more = [
        f"code {_text(failure.code, reveal=reveal)}" if failure.code else "",
        f"request {_text(failure.request_id, reveal=reveal)}" if failure.request_id else "",
    ]
    return f"{failure.kind}{text}" + (f" ({', '.join(part for part in more if part)})" if any(more) else "")


def _of_message(message: PilotMessage | None, *, reveal: bool) -> Iterator[tuple[str, str]]:
    if message is None:
        return
    kind = f"{message.message_type}, from {message.source}"
    yield "message", f"{message.message_id} ({kind}{', priority high' if message.priority == 'high' else ''})"
    shown = message.params if reveal else shown_params(message.params)
    yield from _below("", [f"{name}  {value}" for name, value in shown.items() if value])


def _of_row(shown: Shown, *, reveal: bool) -> Iterator[tuple[str, str]]:
    from b2bpilot.ops.table.row_state import RowState

    found = shown.row
    if found.error:
        yield "row", f"unknown, the database did not answer: {found.error}"
    elif found.row:
        state = f"{found.state}, attempts: {found.row.attempts}"
        if found.state is RowState.DISCARDED:
            state = f"discarded in run {found.row.discarded_by}: no delivery stores it; attempts: {found.row.attempts}"
        error = _text(found.row.last_error, reveal=reveal)
        yield "row", f"{state}; last error: {error}" if error else state
    elif found.database and not found.database.is_proven:
        yield "row", f"unknown: {found.database.told()}"
    elif found.state:
        other = "a real" if shown.dead_letter.message and shown.dead_letter.message.test else "a test"
        taken = f"; the row with its id is {other} message's" if found.state is RowState.OTHER_KIND else ""
        yield "row", f"none: the message is not stored{taken}"


def _message(message: PilotMessage, *, reveal: bool) -> dict[str, object]:
    return {
        "source": message.source.value,
        "message_type": message.message_type.value,
        "priority": message.priority.value,
        "test": message.test,
        "received_at": format_time(message.received_at),
        "params": dict(message.params) if reveal else shown_params(message.params),
    }


def _log_line(line: LogLine, *, reveal: bool) -> str:
    return f"{line.at:%H:%M:%S} {_text(_readable(line.text), reveal=reveal)}"


def _readable(line: str) -> str:
    """Return Lambda's JSON log line as one says it; anything else as it is."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return line
    if not isinstance(entry, dict):
        return line
    if isinstance(record := entry.get("record"), dict):
        return _platform(str(entry.get("type")), record)
    level = entry.get("level") or entry.get("log_level") or ""
    message = entry.get("message") or entry.get("errorType") or ""
    error = entry.get("error") or entry.get("errorMessage")
    return f"{level} {message}{f': {error}' if error else ''}{_where(entry)}".strip()


def _where(entry: Mapping[str, object]) -> str:
    """Return where the subscriber's own code was, and where the error came from, of `once`'s line or of Lambda's."""
    traced = entry.get("at") or entry.get("stackTrace")
    frames = [str(frame) for frame in traced] if isinstance(traced, list) else []
    found = [f"{at['file']}:{at['line']}" for frame in frames if (at := FRAME.search(frame))]
    own = found[max((place for place, at in enumerate(found, 1) if at.startswith("once.py:")), default=0) :]
    chosen = list(dict.fromkeys([own[0], own[-1]] if own else found[-1:]))
    return f" (at {', '.join(chosen)})" if chosen else ""


def _platform(kind: str, record: Mapping[str, object]) -> str:
    metrics = record.get("metrics")
    milliseconds = metrics.get("durationMs") if isinstance(metrics, dict) else None
    parts = [kind, record.get("status"), f"after {milliseconds} ms" if milliseconds is not None else None]
    return " ".join(str(part) for part in parts if part)


def _text(text: str | None, *, reveal: bool) -> str | None:
    """Return free text without what it may say about people."""
    if text is None or reveal:
        return text
    without_row = DETAIL.sub(r"\1***", text)
    return cut(mask_numbers(without_row), TEXT_LENGTH)


def _below(name: str, values: list[str]) -> Iterator[tuple[str, str]]:
    """Name the first line only."""
    for place, value in enumerate(values):
        yield "" if place else name, value


def _moment(moment: datetime, *, now: datetime) -> str:
    return f"{format_time(moment)} ({relative(moment, now=now)})"
