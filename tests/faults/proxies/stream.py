"""A proxy for a byte stream: PostgreSQL behind a loopback port."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from enum import Enum

from tests.faults.proxies.trouble import Control

PIECE_BYTES = 65_536
HOST = "127.0.0.1"

Upstream = Callable[[], socket.socket]
"""Open a connection to the real server; OSError when it does not answer."""


class Way(Enum):
    UP = "up"
    DOWN = "down"


class StreamProxy:
    """Until `lead_to` connections wait: the port must be known before the server behind it is."""

    def __init__(self, seed: str) -> None:
        self.control = Control(seed)
        self._listener = socket.create_server((HOST, 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._upstream: Upstream | None = None
        self._known = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, name=f"proxy {seed}", daemon=True)
        self._thread.start()

    def lead_to(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._known.set()

    def cut_all(self) -> None:
        """End every connection now, as a network or a pooler that restarts does."""
        with self._lock:
            connections, self._open = self._open, set()
        for connection in connections:
            _end(connection)
        self.control.count("cut by force")

    def close(self) -> None:
        """Not to be led anywhere any more; connections end."""
        self._known.set()
        _end(self._listener)
        self._thread.join()
        self._listener.close()
        self.cut_all()

    def _accept(self) -> None:
        self._known.wait()
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            if self.control.trouble.refuse or self._upstream is None:
                self.control.count("refused")
                return
            try:
                server = self._upstream()
            except OSError:
                return
            with server:
                self._join(client, server)

    def _join(self, client: socket.socket, server: socket.socket) -> None:
        """Return when both directions have ended."""
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._open |= {client, server}
        up = threading.Thread(target=self._pump, args=(client, server, Way.UP), daemon=True)
        up.start()
        self._pump(server, client, Way.DOWN)
        up.join()
        with self._lock:
            self._open -= {client, server}

    def _pump(self, source: socket.socket, target: socket.socket, way: Way) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(PIECE_BYTES):
                self.control.wait_while_held()
                if self._is_cut():
                    self._cut(target, piece, way)
                    break
                target.sendall(piece)
        for end in (source, target):
            _end(end)

    def _is_cut(self) -> bool:
        share = self.control.trouble.cut
        return share > 0 and self.control.draw() < share

    def _cut(self, target: socket.socket, piece: bytes, way: Way) -> None:
        """Half of the time the other side still gets something: the request whose answer is lost, or half an answer."""
        self.control.count(f"cut {way.value}")
        if self.control.draw() < 0.5:
            target.sendall(piece if way is Way.UP else piece[: len(piece) // 2])


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
