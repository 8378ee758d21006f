"""A line of a function's log as it is shown: on one line, numbers masked unless revealed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from b2bpilot.cli.dlq.dead_letter_view import DETAIL
from b2bpilot.cli.output import Line, Tone, Toned
from b2bpilot.cli.text.privacy import mask_numbers
from b2bpilot.ops.logs.entry import LogEntry, LogLevel
from b2bpilot.pipeline.message import format_time

FUNCTION_TONES = {
    "webhook": Tone.FIRST,
    "processor": Tone.SECOND,
    "express": Tone.SECOND,
    "stale": Tone.THIRD,
    "redriver": Tone.FOURTH,
}
LEVEL_TONES = {
    LogLevel.DEBUG: Tone.QUIET,
    LogLevel.WARNING: Tone.WARNING,
    LogLevel.ERROR: Tone.FAILED,
    LogLevel.CRITICAL: Tone.FAILED,
}
FUNCTION_WIDTH, LEVEL_WIDTH = 9, 8
TRACE = "stackTrace"
BEGAN, ENDED = "platform.start", "platform.report"


def fields(entry: LogEntry, *, reveal: bool) -> dict[str, object]:
    """Return a line for programs; `line` is what the function wrote, an object where it wrote one."""
    line: object = entry.document if entry.document is not None else entry.text
    return {
        "at": format_time(entry.at),
        "function": entry.function,
        "stream": entry.stream,
        "event_id": entry.event_id,
        "line": line if reveal else _masked(line),
    }


def text(entry: LogEntry, *, reveal: bool, verbose: bool = False) -> Line:
    """Return a line for people: time, function, level, what happened, the rest as name=value."""
    at = f"{format_time(entry.at)}  "
    function = Toned(f"{entry.function:<{FUNCTION_WIDTH}}", FUNCTION_TONES.get(entry.function, Tone.PLAIN))
    level = Toned(f"{entry.level.name:<{LEVEL_WIDTH}}", LEVEL_TONES.get(entry.level, Tone.PLAIN))
    body = "  ".join(part for part in (what(entry, verbose=verbose), " ".join(_pairs(entry))) if part)
    return Line(at + function + " " + level + f" {body if reveal else safe(body)}", indent=len(at))


def what(entry: LogEntry, *, verbose: bool = False) -> str:
    """Return what happened: the event, else the message."""
    if entry.platform is not None:
        return _platform(entry)
    if entry.event is None:
        return entry.message
    return f"{entry.event} ({entry.message})" if verbose and entry.message else entry.event


def safe(free_text: str) -> str:
    """Return free text without numbers, and without the row that PostgreSQL repeats in an error."""
    return mask_numbers(DETAIL.sub(r"\1***", free_text))


def _platform(entry: LogEntry) -> str:
    milliseconds = entry.value("record.metrics.durationMs")
    if entry.event != ENDED or milliseconds is None:
        return "began" if entry.event == BEGAN else str(entry.event)
    used, size = (entry.value(f"record.metrics.{name}") for name in ("maxMemoryUsedMB", "memorySizeMB"))
    memory = f", {used} of {size} MB" if used is not None else ""
    return f"ended: {entry.value('record.status') or 'no status'} after {milliseconds} ms{memory}"


def _pairs(entry: LogEntry) -> Iterator[str]:
    """The ids stand first and last, where they are looked for."""
    if entry.document is None:
        return
    if entry.message_id:
        yield f"message_id={entry.message_id}"
    if entry.platform is None:
        yield from (
            f"{name}={_value(value)}"
            for name, value in entry.fields.items()
            if not _is_unsaid(value) and name not in (TRACE, "errorType", "errorMessage")
        )
    if entry.request_id:
        yield f"request_id={entry.request_id}"


def _is_unsaid(value: object) -> bool:
    """A 0 says something."""
    return value is None or value is False or value == ""


def _value(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False) if " " in value or not value else value
    return json.dumps(value, ensure_ascii=False)


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return safe(value)
    if isinstance(value, Mapping):
        return {name: _masked(inner) for name, inner in value.items()}
    return [_masked(inner) for inner in value] if isinstance(value, list) else value
