"""The client that posts as Twilio does, against a server of a few lines."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from b2bpilot.local.emulator_process import free_port
from b2bpilot.twilio.signature import Parameters, SigningSecrets, is_signed_body, is_signed_form
from b2bpilot.twilio.webhook import WebhookClient, WebhookUnreachable

TOKEN = "token"
SECRETS = SigningSecrets(auth_tokens=(TOKEN,), shared_keys={})
MESSAGE_ID = "6a2a4cf4-5b3e-4f0e-9d62-6e9f2c4d7a10"


class Server(ThreadingHTTPServer):
    """Keeps what it gets. `drop` closes the connection before the answer; `hang_up` after it, without saying so."""

    daemon_threads = True
    drop = hang_up = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def webhook(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/webhook"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append((self.path, headers, body))
        if not self.server.drop:
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
        self.close_connection = self.server.drop or self.server.hang_up

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # named by http.server
        """Stay silent."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def test_a_form_is_signed_as_twilio_signs_it(server: Server) -> None:
    with WebhookClient(server.webhook, auth_token=TOKEN) as client:
        client.post({"Body": "", "From": "+1"})
    _, headers, _ = server.requests[0]
    assert is_signed_form(
        SECRETS,
        urls=[server.webhook],
        query="",
        parameters=Parameters([("Body", ""), ("From", "+1")]),
        signature=headers["x-twilio-signature"],
        settings_header=None,
    )


def test_a_test_message_is_signed_by_its_body_and_marked(server: Server) -> None:
    with WebhookClient(server.webhook, auth_token=TOKEN) as client:
        client.post_test(MESSAGE_ID, {"Body": "hi", "NumMedia": "0"})
    path, headers, body = server.requests[0]
    assert json.loads(body) == {"test": "hi", "message_id": MESSAGE_ID, "NumMedia": "0"}
    assert is_signed_body(
        SECRETS,
        urls=[server.webhook],
        query=path.partition("?")[2],
        body=body,
        signature=headers["x-twilio-signature"],
        settings_header=None,
    )


def test_a_kept_connection_that_was_closed_meanwhile_is_opened_again(server: Server) -> None:
    server.hang_up = True
    with WebhookClient(server.webhook, auth_token=TOKEN) as client:
        assert [client.post({"Body": "x"}).status for _ in range(3)] == [200] * 3


def test_a_request_without_an_answer_may_have_arrived(server: Server) -> None:
    server.drop = True
    with (
        WebhookClient(server.webhook, auth_token=TOKEN) as client,
        pytest.raises(WebhookUnreachable) as failure,
    ):
        client.post({"Body": "x"})
    assert failure.value.was_sent


def test_a_request_without_a_connection_has_not_arrived() -> None:
    url = f"http://127.0.0.1:{free_port(0)}/webhook"
    with WebhookClient(url, auth_token=TOKEN) as client, pytest.raises(WebhookUnreachable) as failure:
        client.post({"Body": "x"})
    assert not failure.value.was_sent
