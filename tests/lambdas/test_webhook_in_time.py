"""The webhook answers while Twilio still waits: the recommended override gives each try four seconds."""

from __future__ import annotations

import importlib
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lambdas.webhook_handler import handler as webhook
from tests.lambdas.webhook_deployment import TOKEN, URL, call, form, params

TWILIO_WAITS_SECONDS = 4
ACCEPTED = (
    b"<PublishResponse><PublishResult><MessageId>m1</MessageId></PublishResult>"
    b"<ResponseMetadata><RequestId>r1</RequestId></ResponseMetadata></PublishResponse>"
)


class Endpoint(socketserver.ThreadingTCPServer):
    """An AWS endpoint that hangs up on its first `hang_ups` requests, and then answers, or never does."""

    daemon_threads = True

    def __init__(self, *, hang_ups: int = 0, answers: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), Requests)
        self.hang_ups, self.answers = hang_ups, answers
        self.requests = 0
        self.closing = threading.Event()


class Requests(socketserver.StreamRequestHandler):
    server: Endpoint

    def handle(self) -> None:
        length = 0
        while (line := self.rfile.readline().strip().lower()) != b"":
            length = int(line.partition(b":")[2]) if line.startswith(b"content-length") else length
        self.rfile.read(length)
        self.server.requests += 1
        if self.server.requests <= self.server.hang_ups:
            self.connection.shutdown(socket.SHUT_RDWR)
        elif self.server.answers:
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(ACCEPTED)}\r\n\r\n"
            self.wfile.write(head.encode() + ACCEPTED)
        else:
            self.server.closing.wait()


@contextmanager
def serving(endpoint: Endpoint) -> Iterator[str]:
    thread = threading.Thread(target=endpoint.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{endpoint.server_address[1]}"
    endpoint.closing.set()
    endpoint.shutdown()
    endpoint.server_close()
    thread.join()


@pytest.fixture
def container(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "SNS_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:topic",
        "PUBLIC_WEBHOOK_URL": URL,
        "TWILIO_AUTH_TOKEN": TOKEN,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    importlib.reload(webhook)


def answered() -> tuple[int, float]:
    """The status, and how long it took."""
    began = time.monotonic()
    status = call(form(params()))["statusCode"]
    return int(status), time.monotonic() - began


@pytest.mark.usefixtures("container")
@pytest.mark.parametrize("service", ["SNS", "SECRETS_MANAGER"])
def test_when_aws_does_not_answer_twilio_is_told_so_in_time(
    monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    with serving(silent := Endpoint(answers=False)) as url:
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", url)
        if service == "SECRETS_MANAGER":
            monkeypatch.setenv("SECRET_ARN", "arn:aws:secretsmanager:us-east-1:123456789012:secret:pilot")
        status, seconds = answered()

    assert status == 503
    assert seconds < TWILIO_WAITS_SECONDS
    assert silent.requests == 1


@pytest.mark.usefixtures("container")
def test_a_connection_that_sns_closed_meanwhile_costs_no_503(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frozen containers hold such connections, and Twilio tries again after a 5xx only where it is told to."""
    with serving(restarting := Endpoint(hang_ups=1)) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", url)
        status, _ = answered()

    assert (status, restarting.requests) == (200, 2)


@pytest.mark.usefixtures("container")
def test_a_topic_that_keeps_hanging_up_is_tried_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(broken := Endpoint(hang_ups=9)) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", url)
        status, seconds = answered()

    assert (status, broken.requests) == (503, 2)
    assert seconds < TWILIO_WAITS_SECONDS
