"""A webhook for tests of the double: it answers as it is told, and keeps what it was sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

TWIML = "<Response/>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One answer. `seconds` pass before it; a `status` of 0 ends the connection."""

    status: int = 200
    body: str = TWIML
    content_type: str | None = "text/xml"
    location: str | None = None
    seconds: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    method: str
    url: str
    params: dict[str, str]
    signature: str


@dataclass(slots=True)
class Server:
    url: str
    answers: list[Given] = field(default_factory=list)
    """One for each request; the last one stays."""
    taken: list[Taken] = field(default_factory=list)

    def next_answer(self) -> Given:
        if not self.answers:
            return Given()
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def running_webhook(*answers: Given) -> Iterator[Server]:
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler())
    http.daemon_threads = True
    server = Server(f"http://127.0.0.1:{http.server_address[1]}", list(answers))
    http.told = server  # type: ignore[attr-defined]  # what the handler reads
    threading.Thread(target=http.serve_forever, args=[0.01], daemon=True).start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()


def _handler() -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._handle()

        def do_POST(self) -> None:
            self._handle()

        def _handle(self) -> None:
            server: Server = self.server.told  # type: ignore[attr-defined]
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            params = body or urlsplit(self.path).query
            server.taken.append(
                Taken(
                    method=self.command,
                    url=server.url + self.path,
                    params=dict(parse_qsl(params, keep_blank_values=True)),
                    signature=self.headers.get("X-Twilio-Signature", ""),
                )
            )
            self._answer(server.next_answer())

        def _answer(self, given: Given) -> None:
            time.sleep(given.seconds)
            if given.status == 0:
                return
            self.send_response(given.status)
            if given.content_type is not None:
                self.send_header("Content-Type", given.content_type)
            if given.location is not None:
                self.send_header("Location", given.location)
            self.end_headers()
            if given.status != 204:
                self.wfile.write(given.body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # named by http.server
            """Stay silent."""

    return Handler
