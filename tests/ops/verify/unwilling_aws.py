"""An AWS that hangs, throttles, denies or breaks: every service at one HTTP endpoint, in each service's own words."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

THROTTLED, DENIED, BROKEN = "ThrottlingException", "AccessDenied", "broken"
XML = "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>not now</Message></Error></ErrorResponse>"


class Endpoint(ThreadingHTTPServer):
    """Answers every request with one error; without one it does not answer until it is closed."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, error: str | None) -> None:
        self.error = error
        self.closing = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Endpoint

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.error is None:
            self.server.closing.wait(60)
            self.close_connection = True
            return
        status, kind, body = self.refusal(self.server.error)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("x-amzn-ErrorType", self.server.error)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer  # noqa: N815  # the base class's names

    def refusal(self, error: str) -> tuple[int, str, bytes]:
        """Query services read XML, CloudWatch CBOR, the others JSON."""
        if error == BROKEN:
            return 500, "text/html", b"<html>Bad Gateway</html>"
        if self.headers.get("smithy-protocol") == "rpc-v2-cbor":
            return 400, "application/cbor", cbor({"__type": error, "message": "not now"})
        if self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
            return 400, "text/xml", XML.format(code=error).encode()
        return 400, "application/json", json.dumps({"__type": error, "message": "not now"}).encode()

    def log_message(self, *_: object) -> None: ...


def cbor(fields: dict[str, str]) -> bytes:
    """A map of short texts."""

    def text(value: str) -> bytes:
        raw = value.encode()
        head = bytes([0x60 + len(raw)]) if len(raw) < 24 else bytes([0x78, len(raw)])
        return head + raw

    return bytes([0xA0 + len(fields)]) + b"".join(text(one) for pair in fields.items() for one in pair)


@contextmanager
def endpoint(error: str | None) -> Iterator[str]:
    """Yield its URL."""
    server = Endpoint(error)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.url
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
