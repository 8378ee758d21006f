"""A connection pooler in some eighty lines: it speaks just enough of the protocol to lend sessions as PgBouncer does."""

from __future__ import annotations

import itertools
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

STARTUP = struct.pack("!I", 196_608)
READY, TERMINATE = b"Z", b"X"
IDLE = b"I"
ANSWERED = (b"Q", b"S")


@dataclass
class Pooler:
    """Serves `directory/.s.PGSQL.6432`. `by_transaction` lends one of two sessions for each transaction in turn;
    otherwise each client keeps a session of its own."""

    server: str
    directory: Path
    by_transaction: bool
    sessions: list[Session] = field(default_factory=list)
    turn: Iterator[int] = field(default_factory=itertools.count)

    def serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._client, args=(client,), daemon=True).start()

    def _client(self, client: socket.socket) -> None:
        """Answer the startup ourselves, with a process id that is none of the server's."""
        with closing(client), suppress(OSError, EOFError):
            parameters = self._startup(client)
            own = Session(self.server, parameters)
            own_key = b"K" + struct.pack("!III", 12, 7, 7)
            client.sendall(own.greeting + own_key + b"Z" + struct.pack("!I", 5) + IDLE)
            try:
                self._relay(client, own, parameters)
            finally:
                own.socket.close()

    def _relay(self, client: socket.socket, own: Session, parameters: bytes) -> None:
        session = own
        while (kind_and_body := read_message(client))[0] != TERMINATE:
            if self.by_transaction and session.is_idle:
                session = self._next(parameters)
            with session.lock:
                session.exchange(client, kind_and_body)

    def _next(self, parameters: bytes) -> Session:
        if len(self.sessions) < 2:
            self.sessions.append(Session(self.server, parameters))
        return self.sessions[next(self.turn) % len(self.sessions)]

    @staticmethod
    def _startup(client: socket.socket) -> bytes:
        """Refuse encryption until the client sends its parameters."""
        while True:
            (length,) = struct.unpack("!I", read_exactly(client, 4))
            body = read_exactly(client, length - 4)
            if body.startswith(STARTUP):
                return body
            client.sendall(b"N")


class Session:
    """One session of the server, begun with a client's parameters."""

    def __init__(self, server: str, parameters: bytes) -> None:
        self.lock = threading.Lock()
        self.is_idle = True
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(server)
        self.socket.sendall(struct.pack("!I", len(parameters) + 4) + parameters)
        self.greeting = b""
        while (message := read_message(self.socket))[0] != READY:
            self.greeting += frame(message) if message[0] != b"K" else b""

    def exchange(self, client: socket.socket, message: tuple[bytes, bytes]) -> None:
        """Pass a message on, and after one that is answered the answer."""
        self.socket.sendall(frame(message))
        self.is_idle = False
        if message[0] not in ANSWERED:
            return
        while (answer := read_message(self.socket))[0] != READY:
            client.sendall(frame(answer))
        self.is_idle = answer[1] == IDLE
        client.sendall(frame(answer))


def read_message(connection: socket.socket) -> tuple[bytes, bytes]:
    kind = read_exactly(connection, 1)
    (length,) = struct.unpack("!I", read_exactly(connection, 4))
    return kind, read_exactly(connection, length - 4)


def read_exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        if not (more := connection.recv(size - len(data))):
            raise EOFError
        data += more
    return data


def frame(message: tuple[bytes, bytes]) -> bytes:
    kind, body = message
    return kind + struct.pack("!I", len(body) + 4) + body


@contextmanager
def pooling(server: str, directory: Path, *, by_transaction: bool) -> Iterator[str]:
    """Run a pooler in front of the server's socket; give its host and port as a DSN."""
    pooler = Pooler(server=server, directory=directory, by_transaction=by_transaction)
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(directory / ".s.PGSQL.6432"))
        listener.listen()
        threading.Thread(target=pooler.serve, args=(listener,), daemon=True).start()
        yield f"host={directory} port=6432"
        listener.shutdown(socket.SHUT_RDWR)
    for session in pooler.sessions:
        session.socket.close()
