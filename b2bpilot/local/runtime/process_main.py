"""`python -m b2bpilot.local.runtime.process_main FD NAME HANDLER`: one container of a function that is not ours.

Runs one event at a time, as Lambda's runtime does, with the function's variables and nothing else in its environment. It
reads events from the socket FD and writes there what is logged and how each ends, a JSON document a line. It ends when its
standard input closes.
"""

from __future__ import annotations

import importlib
import json
import logging
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from b2bpilot.local.parent_watch import end_when_input_closes
from b2bpilot.local.runtime.invocation import LambdaContext, describe
from b2bpilot.local.runtime.logs import format_record

Send = Callable[[Mapping[str, object]], None]


def main() -> None:
    """Load the handler at the first event, which is told what went wrong with that."""
    end_when_input_closes()
    descriptor, setting = int(sys.argv[1]), sys.argv[3]
    stream = socket.socket(fileno=descriptor).makefile("rw", encoding="utf-8")
    send = _sender(stream)
    request = CurrentRequest()
    _capture(send, request)
    handler = None
    for line in stream:
        order = json.loads(line)
        request.id = order["context"]["aws_request_id"]
        try:
            handler = handler or _load(setting)
            answer = json.dumps(handler(order["event"], _context(order)), ensure_ascii=False)
        except BaseException as error:  # noqa: BLE001  # a SystemExit is a failed run, too
            send({"kind": "error", "description": describe(error, request.id)})
        else:
            send({"kind": "answer", "payload": answer})


class CurrentRequest:
    """The id of the event that runs, for the log."""

    id = ""


def _sender(stream: TextIO) -> Send:
    lock = threading.Lock()

    def send(document: Mapping[str, object]) -> None:
        with lock:
            stream.write(json.dumps(document, ensure_ascii=False) + "\n")
            stream.flush()

    return send


def _load(setting: str) -> Callable[[Any, Any], Any]:
    module_name, _, function_name = setting.rpartition(".")
    handler: Callable[[Any, Any], Any] = getattr(importlib.import_module(module_name), function_name)
    return handler


def _context(order: Mapping[str, Any]) -> LambdaContext:
    """A deadline is this machine's time since it started, which both processes read."""
    return LambdaContext(**order["context"])


class RequestLogHandler(logging.Handler):
    """Sends records as Lambda's JSON log lines."""

    def __init__(self, send: Send, request: CurrentRequest) -> None:
        super().__init__()
        self._send = send
        self._request = request

    def emit(self, record: logging.LogRecord) -> None:
        line = format_record(record, self._request.id)
        self._send({"kind": "record", "level": record.levelno, "line": line})


class RequestOutput:
    """Standard output and standard error of the handler: each line goes to the log."""

    def __init__(self, send: Send) -> None:
        self._send = send

    def write(self, text: str) -> int:
        for line in text.splitlines():
            if line.strip():
                self._send({"kind": "printed", "line": line})
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""

    def isatty(self) -> bool:
        return False


def _capture(send: Send, request: CurrentRequest) -> None:
    root = logging.getLogger()
    root.addHandler(RequestLogHandler(send, request))
    root.setLevel(logging.INFO)
    sys.stdout = sys.stderr = RequestOutput(send)


if __name__ == "__main__":
    main()
