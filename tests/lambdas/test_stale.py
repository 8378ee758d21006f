"""The stale processor's function while CloudWatch hangs, refuses or throttles: it lives, and does what is safe."""

from __future__ import annotations

import logging
import socketserver
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from b2bpilot.aws.session import Timeouts
from b2bpilot.ops.verify.checks.stale import TIMEOUT_SECONDS
from b2bpilot.pipeline.connection import WAITS
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.reserve import PATIENCE_SECONDS, RUN_SECONDS
from lambdas.stale_message_processor import handler as stale
from tests.events import message

ANSWERS: dict[str, bytes | None] = {
    "hangs": None,
    "throttles": b"HTTP/1.1 400 Bad Request\r\nx-amzn-errortype: ThrottlingException\r\nContent-Length: 2\r\n\r\n{}",
    "refuses": b"HTTP/1.1 403 Forbidden\r\nx-amzn-errortype: AccessDeniedException\r\nContent-Length: 2\r\n\r\n{}",
    "answers-rubbish": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<ht>",
    "fails": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    "hangs-up": b"",
}


class CloudWatch(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, answer: bytes | None) -> None:
        super().__init__(("127.0.0.1", 0), Requests)
        self.answer, self.asked, self.closing = answer, 0, threading.Event()


class Requests(socketserver.StreamRequestHandler):
    server: CloudWatch

    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        self.server.asked += 1
        if self.server.answer is None:
            self.server.closing.wait()
        else:
            self.wfile.write(self.server.answer)


@pytest.fixture(params=ANSWERS)
def cloudwatch(request: pytest.FixtureRequest) -> Iterator[CloudWatch]:
    server = CloudWatch(ANSWERS[request.param])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.closing.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def container(
    cloudwatch: CloudWatch, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[dict[str, Any]]]:
    """The function's environment; gives what the topic got."""
    port = cloudwatch.server_address[1]
    environment = {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_ENDPOINT_URL_CLOUDWATCH": f"http://127.0.0.1:{port}",
        "SNS_TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:topic",
        "PROCESSOR_FUNCTION_NAME": "processor",
        "DATABASE_URL": database_url,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(stale, "CLOUDWATCH", Timeouts(connect_seconds=0.5, read_seconds=0.5, attempts=1))
    published: list[dict[str, Any]] = []
    monkeypatch.setattr(stale, "_publish", published.append)
    yield published
    stale.end()


def stale_message(database: DatabaseManager, *, hours: int) -> str:
    sent = message()
    database.claim(sent, lease=timedelta(0))
    with database.connection.use() as connection:
        connection.execute(
            "UPDATE b2b_pilot_user_submissions SET updated_at = now() - %(by)s, lease_expires_at = now() - %(by)s"
            " WHERE message_id = %(message_id)s",
            {"by": timedelta(hours=hours), "message_id": sent.message_id},
        )
    return sent.message_id


def test_a_cloudwatch_that_says_nothing_leaves_what_lambda_may_still_hold_alone_and_nothing_else(
    cloudwatch: CloudWatch,
    container: list[Any],
    database_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """At e623749 its run ended with an error, or at its timeout, every minute, and nothing was published again."""
    with DatabaseManager(database_url) as database:
        stale_message(database, hours=1)
        old = stale_message(database, hours=7)

    with caplog.at_level(logging.INFO):
        report = stale.handler({}, None)

    assert cloudwatch.asked == 1
    assert [sent.message_id for sent in container] == [old]
    assert (report["published"], report["is_reserve_known"], report["backlog"]) == (1, False, 2)
    (line,) = (vars(one) for one in caplog.records if getattr(one, "event", "") == "throttles_unknown")
    assert line["error"]


def test_what_a_run_waits_for_ends_before_its_timeout_whoever_does_not_answer() -> None:
    cloudwatch = stale.CLOUDWATCH.connect_seconds + stale.CLOUDWATCH.read_seconds
    database = float(WAITS["connect_timeout"])
    sns = (stale.TOPIC.connect_seconds + stale.TOPIC.read_seconds) * stale.TOPIC.attempts

    assert stale.CLOUDWATCH.attempts == 1
    assert cloudwatch + database + RUN_SECONDS + PATIENCE_SECONDS + sns < TIMEOUT_SECONDS
