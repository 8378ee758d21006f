"""Replies over a real TLS connection that breaks: before the request left, and after Twilio had all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from b2bpilot.errors import ReplyNotSent, ReplyUnknown
from b2bpilot.twilio.replies import TwilioReplier
from b2bpilot.twilio.transport import Transport
from tests.tls import GARBAGE, PLAIN, Breaking, self_signed


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls") / "localhost.pem")


Serve = Callable[[bytes], Breaking]


@pytest.fixture
def serve(certificate: Path) -> Iterator[Serve]:
    servers: list[Breaking] = []

    def serve(answer: bytes) -> Breaking:
        servers.append(Breaking(certificate, answer, until=b"Thank"))
        return servers[-1]

    yield serve
    for server in servers:
        server.close()


def reply(port: int, *, trusted: Path | None) -> None:
    transport = Transport(api_url=f"https://localhost:{port}", timeout_seconds=10)
    with transport._client.session as session:
        session.verify = str(trusted) if trusted else True
        replier = TwilioReplier(account_sid="AC1", auth_token="token", text="Thanks", http_client=transport)
        replier.send(to="+15005550006", from_="+15005550001")


@pytest.mark.parametrize("answer", [GARBAGE, PLAIN], ids=["garbage", "a plain 502"])
def test_tls_that_breaks_after_the_request_leaves_open_whether_it_was_sent(
    serve: Serve, certificate: Path, answer: bytes
) -> None:
    server = serve(answer)

    with pytest.raises(ReplyUnknown, match="no answer from Twilio"):
        reply(server.port, trusted=certificate)

    assert b"Body=Thanks" in server.received


def test_a_certificate_that_is_not_trusted_ends_it_before_the_request(serve: Serve) -> None:
    server = serve(PLAIN)

    with pytest.raises(ReplyNotSent, match="no connection to Twilio"):
        reply(server.port, trusted=None)

    server.close()
    assert server.received == b""
