"""PostgreSQL over TLS: the embedded server's build has none, so that an endpoint of ours speaks it and hands the rest on."""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from psycopg.conninfo import conninfo_to_dict

HOST = "localhost"
SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
A_HANDSHAKE = b"\x16"
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A CA of the tests. `pem` is what a client is given."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def certify(self, name: str, path: Path, *, days: int = 1) -> Path:
        """Write a server's certificate and its key into one file."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = (
            _builder(name, self.certificate.subject, key.public_key(), datetime.now(UTC) + days * DAY)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + key_pem(key))
        return path


def authority(name: str, *, days: int = 1, now: datetime | None = None) -> Authority:
    """Make a CA, which ends `days` after now; before, when they are negative."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        _builder(name, None, key.public_key(), (now or datetime.now(UTC)) + days * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate=made, key=key)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _builder(
    name: str, issuer: x509.Name | None, public: ec.EllipticCurvePublicKey, end: datetime
) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return x509.CertificateBuilder(
        issuer or subject, subject, public, x509.random_serial_number(), end - 10 * DAY, end
    )


@contextmanager
def speaking_tls(server: str, certificate: Path) -> Iterator[int]:
    """Give the port of an endpoint that speaks TLS with a certificate, and hands what it hears to `server`, a DSN."""
    parts = conninfo_to_dict(server)
    socket_path = f"{parts['host']}/.s.PGSQL.{parts.get('port', 5432)}"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["postgresql"])
    listener = socket.create_server(("127.0.0.1", 0))
    accepting = threading.Thread(target=_accept, args=(listener, context, socket_path))
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()


def _accept(listener: socket.socket, context: ssl.SSLContext, server: str) -> None:
    sessions = []
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            sessions.append(threading.Thread(target=_serve, args=(client, context, server)))
            sessions[-1].start()
    for session in sessions:
        session.join()


def _serve(client: socket.socket, context: ssl.SSLContext, server: str) -> None:
    with client, suppress(OSError), socket.socket(socket.AF_UNIX) as database:
        if client.recv(1, socket.MSG_PEEK) != A_HANDSHAKE:
            if client.recv(len(SSL_REQUEST), socket.MSG_WAITALL) != SSL_REQUEST:
                return
            client.sendall(b"S")
        with context.wrap_socket(client, server_side=True) as tls:
            database.connect(server)
            _pipe(tls, database)


def _pipe(tls: ssl.SSLSocket, database: socket.socket) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(tls, selectors.EVENT_READ, database)
        selector.register(database, selectors.EVENT_READ, tls)
        while True:
            for ready, _ in selector.select():
                if not _hand_on(ready.fileobj, ready.data):
                    return


def _hand_on(source: socket.socket, target: socket.socket) -> bool:
    """A TLS socket may hold more than one read gives, of which the selector would not tell."""
    if not (data := source.recv(65_536)):
        return False
    while isinstance(source, ssl.SSLSocket) and source.pending():
        data += source.recv(65_536)
    target.sendall(data)
    return True
