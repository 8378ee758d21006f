"""Invoking a function, at a server that counts connections."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from b2bpilot.aws.functions import Function
from b2bpilot.aws.session import AwsAccess
from tests.aws.conftest import REGION


class Lambda(BaseHTTPRequestHandler):
    """Accepts every event and keeps its connection."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.server.clients.add(self.client_address)  # type: ignore[attr-defined]  # see `service`
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Lambda) as server:
        server.clients = set()  # type: ignore[attr-defined]  # read by the handler
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_asynchronous_invocations_share_a_connection(service: ThreadingHTTPServer) -> None:
    access = AwsAccess(
        region=REGION,
        endpoint_url=f"http://127.0.0.1:{service.server_port}",
        access_key_id="x",
        secret_access_key="y",
    )
    function = Function.connect("processor", access=access)

    for number in range(3):
        function.invoke_later({"number": number})

    assert len(service.clients) == 1  # type: ignore[attr-defined]  # as above
