"""Replies over a real TLS connection that breaks: before the request left, and after Twilio had all of it."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from b2bpilot.errors import ReplyNotSent, ReplyUnknown
from b2bpilot.twilio.replies import TwilioReplier
from b2bpilot.twilio.transport import Transport

GARBAGE = b"\x17\x03\x03\x00\x20" + b"\x00" * 32
"""A record of TLS that nobody who knows the keys wrote."""
PLAIN = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of localhost, and its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    kept = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + kept)
    return path


class Breaking:
    """Takes one request over TLS and then writes bytes beside the encryption."""

    def __init__(self, certificate: Path, answer: bytes) -> None:
        self.received = b""
        self._answer = answer
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        try:
            with self._context.wrap_socket(connection, server_side=True) as tls:
                self.received = _whole_request(tls)
                with socket.socket(fileno=os.dup(tls.fileno())) as raw:
                    raw.sendall(self._answer)
                    raw.shutdown(socket.SHUT_WR)
        except ssl.SSLError:
            connection.close()


def _whole_request(tls: ssl.SSLSocket) -> bytes:
    received = b""
    while b"Thank" not in received:
        received += tls.recv(65_536)
    return received


Serve = Callable[[bytes], Breaking]


@pytest.fixture
def serve(certificate: Path) -> Iterator[Serve]:
    servers: list[Breaking] = []

    def serve(answer: bytes) -> Breaking:
        servers.append(Breaking(certificate, answer))
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
