"""A log line as people and programs see it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from b2bpilot.aws.logs import LogEvent
from b2bpilot.cli.logs import log_line
from b2bpilot.cli.text import plain
from b2bpilot.ops.logs.entry import LogEntry, entry

AT = datetime(2026, 10, 9, 12, 45, 7, 123_000, tzinfo=UTC)


def line(document: dict[str, Any] | str) -> LogEntry:
    text = document if isinstance(document, str) else json.dumps(document)
    return entry(LogEvent(at=AT, text=text, event_id="1", stream="s"), "processor")


@pytest.mark.parametrize(
    ("document", "shown"),
    [
        (
            {"level": "INFO", "message": "Message stored", "logger": "x", "requestId": "r1", "event": "stored",
             "message_id": "m1", "test": False, "latency_ms": 31.5, "attempts": 0, "note": None},
            "INFO     stored  message_id=m1 latency_ms=31.5 attempts=0 request_id=r1",
        ),
        (
            {"level": "ERROR", "event": "failed", "error": "no such number +491701234567"},
            'ERROR    failed  error="no such number +4917***4567"',
        ),
        (
            {"log_level": "ERROR", "errorType": "KeyError", "errorMessage": "'x'", "stackTrace": ["a"], "requestId": "r"},
            "ERROR    KeyError: 'x'  request_id=r",
        ),
        (
            {"type": "platform.report", "record": {"requestId": "r", "status": "timeout",
             "metrics": {"durationMs": 3000.1, "maxMemoryUsedMB": 54, "memorySizeMB": 256}}},
            "ERROR    ended: timeout after 3000.1 ms, 54 of 256 MB  request_id=r",
        ),
        ({"type": "platform.start", "record": {"requestId": "r"}}, "INFO     began  request_id=r"),
        ("printed\x1b[2J by hand", "INFO     printed\\u001b[2J by hand"),
    ],
)  # fmt: skip
def test_a_line_is_one_line_with_numbers_masked(document: dict[str, Any] | str, shown: str) -> None:
    assert shown_line(document) == f"2026-10-09T12:45:07.123Z  processor {shown}"


def shown_line(document: dict[str, Any] | str) -> str:
    return plain.one_line(str(log_line.text(line(document), reveal=False).text)).rstrip()


def test_programs_get_the_line_as_it_was_written_but_for_numbers() -> None:
    document = {
        "event": "failed",
        "error": "from +491701234567",
        "at": 1_791_564_206_327,
        "list": ["+491701234567"],
    }
    assert log_line.fields(line(document), reveal=False) == {
        "at": "2026-10-09T12:45:07.123Z",
        "function": "processor",
        "stream": "s",
        "event_id": "1",
        "line": {**document, "error": "from +4917***4567", "list": ["+4917***4567"]},
    }
    assert log_line.fields(line(document), reveal=True)["line"] == document


def test_the_row_that_postgresql_repeats_in_an_error_is_left_out() -> None:
    error = "refused. DETAIL: Failing row contains (1, Ada Lovelace, hello)."
    assert "Ada" not in shown_line({"level": "ERROR", "event": "failed", "error": error})
