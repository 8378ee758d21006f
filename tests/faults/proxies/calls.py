"""A proxy for HTTP calls: AWS and Twilio."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.faults.proxies.batches import with_failure, without_one
from tests.faults.proxies.dialect import Answer, Call, Dialect
from tests.faults.proxies.stream import HOST
from tests.faults.proxies.trouble import NONE, CallFault, Control

UPSTREAM_SECONDS = 400
"""Longer than the longest function runs."""
POLL_SECONDS = 0.05
HOP_BY_HOP = frozenset({"content-length", "connection", "expect", "transfer-encoding"})

NOT_DONE = frozenset({CallFault.ERROR_BEFORE, CallFault.UNAVAILABLE, CallFault.THROTTLED, CallFault.DENIED})


class CallProxy(ThreadingHTTPServer):
    """Until `lead_to` calls wait: the port must be known before the server behind it is."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, seed: str, dialect: Dialect) -> None:
        super().__init__((HOST, 0), Handler)
        self.control = Control(seed)
        self.dialect = dialect
        self._address = ""
        self.late: list[Call] = []
        self._known = threading.Event()
        threading.Thread(
            target=self.serve_forever,
            name=f"proxy {seed}",
            kwargs={"poll_interval": POLL_SECONDS},
            daemon=True,
        ).start()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_address[1]}"

    def lead_to(self, url: str) -> None:
        self._address = url.partition("://")[2]
        self._known.set()

    def carry_out_late_calls(self) -> None:
        while self.late:
            self.forward(self.late.pop(0))

    def close(self) -> None:
        self._known.set()
        self.control.trouble = NONE
        self.shutdown()
        self.server_close()

    def forward(self, call: Call) -> Answer:
        self._known.wait()
        connection = http.client.HTTPConnection(self._address, timeout=UPSTREAM_SECONDS)
        try:
            connection.request(call.method, call.path, call.body, dict(call.headers))
            response = connection.getresponse()
            body = response.read()
            return Answer(status=response.status, headers=tuple(response.getheaders()), body=body)
        finally:
            connection.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent about clients that have gone."""


class Handler(BaseHTTPRequestHandler):
    server: CallProxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def _handle(self) -> None:
        call = self._call()
        control = self.server.control
        trouble = control.trouble
        fault = trouble.fault_of(self.server.dialect.operation(call), control.draw())
        if fault is not None:
            control.count(fault.value)
        if trouble.delay_seconds:
            time.sleep(trouble.delay_seconds)  # the slow network that was asked for
        control.wait_while_held()
        try:
            self._treat(call, fault)
        except (OSError, http.client.HTTPException):
            self._hang_up()

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _handle  # noqa: N815  # named by http.server

    def _treat(self, call: Call, fault: CallFault | None) -> None:
        if fault in (CallFault.DROPPED_BEFORE, CallFault.LATE):
            if fault is CallFault.LATE:
                self.server.late.append(call)
            self._hang_up()
            return
        if fault in NOT_DONE:
            self._send(self.server.dialect.failure(call, fault))
            return
        if fault is CallFault.PARTIAL:
            self._send(_without_one_entry(self.server, call))
            return
        answer = self.server.forward(call)
        match fault:
            case CallFault.DROPPED_AFTER:
                self._hang_up()
            case CallFault.ERROR_AFTER:
                self._send(self.server.dialect.failure(call, fault))
            case CallFault.TRUNCATED:
                self._send(answer, cut=len(answer.body) // 2)
            case CallFault.DUPLICATED:
                self.server.forward(call)
                self._send(answer)
            case _:
                self._send(answer)

    def _call(self) -> Call:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Call(
            method=self.command,
            path=self.path,
            headers={name: value for name, value in headers.items() if name not in HOP_BY_HOP},
            body=self.rfile.read(length) if length else b"",
        )

    def _send(self, answer: Answer, *, cut: int | None = None) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body if cut is None else answer.body[:cut])
        self.wfile.flush()
        if cut is not None:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # named by http.server
        """Stay silent: thousands of calls pass."""


def _without_one_entry(server: CallProxy, call: Call) -> Answer:
    """Pass a batch on without the entry in its middle, and say of that one that it failed. Other calls pass whole."""
    found = without_one(call)
    if found is None:
        return server.forward(call)
    rest, entry_id = found
    return with_failure(call, server.forward(rest) if rest else None, entry_id)
