"""A line of a function's log, taken apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any

from b2bpilot.aws.logs import LogEvent

KNOWN = frozenset(
    {"timestamp", "level", "log_level", "message", "logger", "requestId", "event", "message_id"}
)


class LogLevel(IntEnum):
    """How bad a line is. Lambda's own names beside Python's are read as these."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40
    CRITICAL = 50


OTHER_NAMES = {"TRACE": LogLevel.DEBUG, "WARN": LogLevel.WARNING, "FATAL": LogLevel.CRITICAL}


def level_named(name: str) -> LogLevel | None:
    """Return the level of that name, in any case; None where there is none."""
    return OTHER_NAMES.get(name.upper()) or LogLevel.__members__.get(name.upper())


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One line. `document` is None for a line that is not JSON: a print, or a crash of the runtime."""

    at: datetime
    function: str
    """In the short: `processor`."""
    event_id: str
    stream: str
    text: str = field(repr=False)
    document: Mapping[str, Any] | None = field(repr=False)

    @property
    def event(self) -> str | None:
        """What happened, as a constant: `stored`; of Lambda's own lines their type: `platform.report`."""
        if self.document is None:
            return None
        found = self.document.get("event") or (self.document.get("type") if self.platform else None)
        return str(found) if found else None

    @property
    def platform(self) -> Mapping[str, Any] | None:
        """What Lambda itself says of a run."""
        record = self.document.get("record") if self.document else None
        return record if isinstance(record, dict) else None

    @property
    def request_id(self) -> str | None:
        found = (self.platform or self.document or {}).get("requestId")
        return str(found) if found else None

    @property
    def message_id(self) -> str | None:
        found = self.document.get("message_id") if self.document else None
        return str(found) if found else None

    @property
    def level(self) -> LogLevel:
        """A line that names none counts as INFO, unless Lambda says in it that the run failed."""
        if self.platform is not None:
            return LogLevel.INFO if self.platform.get("status", "success") == "success" else LogLevel.ERROR
        document = self.document or {}
        return level_named(str(document.get("level") or document.get("log_level") or "")) or LogLevel.INFO

    @property
    def message(self) -> str:
        """The text of the line; of an exception that left the handler, its type and text."""
        document = self.document or {}
        if "errorType" in document and "message" not in document:
            return f"{document['errorType']}: {document.get('errorMessage', '')}".strip()
        return str(document.get("message") or "") if self.document is not None else self.text

    @property
    def fields(self) -> Mapping[str, Any]:
        """What the line says besides, in its order."""
        return {name: value for name, value in (self.document or {}).items() if name not in KNOWN}

    def value(self, path: str) -> object:
        """Return the field `name`, or `record.metrics.durationMs`; None when the line has none."""
        found: object = self.document
        for name in path.split("."):
            found = found.get(name) if isinstance(found, dict) else None
        return found


def entry(event: LogEvent, function: str) -> LogEntry:
    return LogEntry(
        at=event.at,
        function=function,
        event_id=event.event_id,
        stream=event.stream,
        text=event.text,
        document=_document(event.text),
    )


def _document(text: str) -> Mapping[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
