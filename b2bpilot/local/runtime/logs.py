"""What handlers log, as Lambda's JSON log lines, on its way to CloudWatch Logs."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol

from b2bpilot.local.runtime.configuration import FunctionConfiguration
from b2bpilot.local.runtime.invocation import RuntimeInvocation

_RECORD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_LEVELS = {"TRACE": logging.DEBUG, "FATAL": logging.CRITICAL, "WARN": logging.WARNING}


class Logs(Protocol):
    """Takes finished log lines; must not block."""

    def put(self, group: str, stream: str, message: str) -> None: ...


class CurrentSink(threading.local):
    """Where the present thread's log lines go; None outside a container."""

    sink: LogSink | None = None


current = CurrentSink()


class LogSink:
    """The log of one run."""

    def __init__(
        self, configuration: FunctionConfiguration, invocation: RuntimeInvocation, logs: Logs, stream: str
    ) -> None:
        self.level = _LEVELS.get(configuration.log_level) or logging.getLevelName(configuration.log_level)
        self._configuration = configuration
        self._invocation = invocation
        self._logs = logs
        self._stream = stream

    def write(self, line: str) -> None:
        self._invocation.lines.append(line)
        self._logs.put(self._configuration.log_group, self._stream, line)

    def started(self) -> None:
        self._platform("platform.start", {"version": "$LATEST"})

    def reported(self, status: str, seconds: float) -> None:
        milliseconds = round(seconds * 1000, 3)
        metrics = {
            "durationMs": milliseconds,
            "billedDurationMs": int(milliseconds) + 1,
            "memorySizeMB": self._configuration.memory_mb,
        }
        self._platform("platform.report", {"metrics": metrics, "status": status})

    def failed(self, description: Mapping[str, object]) -> None:
        """What awslambdaric writes for an exception that leaves the handler."""
        self.write(json.dumps({"timestamp": _now(), "log_level": "ERROR", **description}, ensure_ascii=False))

    def logged(self, record: logging.LogRecord) -> None:
        self.write(format_record(record, self._invocation.request_id))

    def printed(self, text: str) -> None:
        self.write(text)

    def _platform(self, kind: str, record: Mapping[str, object]) -> None:
        body = {"requestId": self._invocation.request_id, **record}
        self.write(json.dumps({"time": _now(), "type": kind, "record": body}))


def format_record(record: logging.LogRecord, request_id: str) -> str:
    """Lambda's JSON format: fixed fields first, then what `extra=` brought, at the top level."""
    line: dict[str, object] = {
        "timestamp": _timestamp(record.created),
        "level": record.levelname,
        "message": record.getMessage(),
        "logger": record.name.partition("#")[0],
        "requestId": request_id,
    }
    if record.exc_info and record.exc_info[1]:
        error = record.exc_info[1]
        line["errorType"] = type(error).__name__
        line["errorMessage"] = str(error)
        line["stackTrace"] = traceback.format_tb(error.__traceback__)
    extra = {key: value for key, value in vars(record).items() if key not in _RECORD_FIELDS}
    return json.dumps(line | extra, default=str, ensure_ascii=False)


class ContainerLogHandler(logging.Handler):
    """Sends the records of container threads to their run; records of every other thread pass by."""

    def emit(self, record: logging.LogRecord) -> None:
        sink = current.sink
        if sink is not None and record.levelno >= sink.level:
            sink.logged(record)


class ContainerStdout(io.TextIOBase):
    """sys.stdout for handlers that print; other threads keep the real one."""

    def __init__(self, real: io.TextIOBase) -> None:
        self._real = real

    def write(self, text: str) -> int:
        if current.sink is None:
            return self._real.write(text)
        if text.strip():
            current.sink.printed(text.rstrip("\n"))
        return len(text)

    def flush(self) -> None:
        self._real.flush()

    def isatty(self) -> bool:
        return self._real.isatty()

    def fileno(self) -> int:
        return self._real.fileno()


class CapturedOutput:
    """While open, `logging` and `print` inside containers reach the functions' logs."""

    def __enter__(self) -> None:
        self._handler = ContainerLogHandler()
        self._stdout = sys.stdout
        root = logging.getLogger()
        self._level = root.level
        root.addHandler(self._handler)
        root.setLevel(min(root.level, logging.INFO))
        sys.stdout = ContainerStdout(sys.stdout)  # type: ignore[arg-type]  # a text stream by duck typing

    def __exit__(self, *_: object) -> None:
        root = logging.getLogger()
        root.removeHandler(self._handler)
        root.setLevel(self._level)
        sys.stdout = self._stdout


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _now() -> str:
    return _timestamp(time.time())
