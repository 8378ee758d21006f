"""A server whose TLS breaks after it has got the whole request."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

GARBAGE = b"\x17\x03\x03\x00\x20" + b"\x00" * 32
"""A record of TLS that nobody who knows the keys wrote."""
PLAIN = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"


def self_signed(path: Path) -> Path:
    """Write a self-signed certificate of localhost, and its key, into one file."""
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
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + kept)
    return path


class Breaking:
    """Takes one request over TLS, up to a text in its body, and then writes bytes beside the encryption."""

    def __init__(self, certificate: Path, answer: bytes, *, until: bytes) -> None:
        self.received = b""
        self._answer, self._until = answer, until
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
                self.received = _received(tls, self._until)
                with socket.socket(fileno=os.dup(tls.fileno())) as raw:
                    raw.sendall(self._answer)
                    raw.shutdown(socket.SHUT_WR)
        except ssl.SSLError:
            connection.close()


def _received(tls: ssl.SSLSocket, until: bytes) -> bytes:
    received = b""
    while until not in received:
        received += tls.recv(65_536)
    return received
