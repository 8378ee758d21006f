"""The runtime's door: Lambda's own Invoke call on a loopback port."""

from __future__ import annotations

import base64
import json
import re
import secrets
import socket
import sqlite3
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

from b2bpilot.local.bridge import KEY_HEADER, TOPIC_METRICS
from b2bpilot.local.door import holds_key, refusal
from b2bpilot.local.runtime.configuration import FunctionMissing
from b2bpilot.local.runtime.function import Throttled
from b2bpilot.local.runtime.invocation import InvocationResult

INVOCATIONS = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")
SHUTDOWN_SECONDS = 0.25


class Invoker(Protocol):
    def invoke(self, name: str, payload: bytes, request_id: str) -> InvocationResult: ...
    def accept(self, name: str, payload: bytes, request_id: str) -> None: ...
    def count_topic(self, counts: dict[str, dict[str, float]]) -> None: ...


class RuntimeServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    invoker: Invoker

    def __init__(self, *, port: int = 0, inherited: int | None = None, key: str | None = None) -> None:
        """Take a port, or the open one of the parent process; requests wait in the backlog until `start`. One that `refuse` is
        for needs a `port`: Linux gives one that it has chosen to somebody else then."""
        super().__init__(("127.0.0.1", port), RequestHandler, bind_and_activate=inherited is None)
        if inherited is not None:
            self.socket.close()
            self.socket = socket.socket(fileno=inherited)
            self.server_address = self.socket.getsockname()
        self.key = key or secrets.token_hex(16)
        """Whoever has it may invoke a function: the emulator, which is told it when it starts."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def refuse(self) -> None:
        """Refuse connections until somebody starts to answer again; what waits is cut off. Who is to answer asks those that
        would wait for the answer."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def start(self, invoker: Invoker) -> None:
        self.invoker = invoker
        self.socket.listen(self.request_queue_size)
        threading.Thread(
            target=self.serve_forever,
            name="lambda server",
            kwargs={"poll_interval": SHUTDOWN_SECONDS},
            daemon=True,
        ).start()


class RequestHandler(BaseHTTPRequestHandler):
    server: RuntimeServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_POST(self) -> None:
        if refusal(self.headers.get) or not holds_key(self.server.key, self.headers.get(KEY_HEADER, "")):
            self.close_connection = True
            self._answer(403)
            return
        payload = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        match = INVOCATIONS.fullmatch(self.path)
        if match:
            self._invoke(match[1], payload)
        elif self.path == TOPIC_METRICS:
            self.server.invoker.count_topic(json.loads(payload))
            self._answer(204)
        else:
            self._answer(404)

    def _invoke(self, name: str, payload: bytes) -> None:
        request_id = self.headers["X-Amzn-Lambda-Request-Id"]
        try:
            if self.headers.get("X-Amz-Invocation-Type") == "Event":
                self.server.invoker.accept(name, payload, request_id)
                self._answer(202)
            else:
                self._result(self.server.invoker.invoke(name, payload, request_id))
        except FunctionMissing:
            self._answer(404)
        except Throttled:
            self._answer(429)
        except sqlite3.Error:
            self._answer(503)

    def _result(self, result: InvocationResult) -> None:
        headers = {"X-Amz-Log-Result": base64.b64encode(result.log_tail.encode()).decode()}
        if result.error is not None:
            headers["X-Amz-Function-Error"] = "Unhandled"
        self._answer(200, result.payload, headers)

    def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # named by http.server
        """Stay silent: every request is an invocation, and that has a log of its own."""
