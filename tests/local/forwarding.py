"""A tunnel to a database: another address that leads to the same server."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg.conninfo import conninfo_to_dict, make_conninfo


@contextmanager
def tunnel(url: str) -> Iterator[str]:
    """Give a URL of 127.0.0.1 that leads to where `url` leads, until the block ends."""
    parts = conninfo_to_dict(url)
    host, port = str(parts["host"]), int(parts.get("port") or 5432)
    target = (host, port) if not host.startswith("/") else f"{host}/.s.PGSQL.{port}"
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_accept, args=(listener, target), daemon=True).start()
    try:
        yield make_conninfo(url, host="127.0.0.1", port=listener.getsockname()[1])
    finally:
        listener.close()


def _accept(listener: socket.socket, target: tuple[str, int] | str) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_pump, args=(client, target), daemon=True).start()


def _pump(client: socket.socket, target: tuple[str, int] | str) -> None:
    family = socket.AF_UNIX if isinstance(target, str) else socket.AF_INET
    with client, socket.socket(family) as server, selectors.DefaultSelector() as selector:
        server.connect(target)
        selector.register(client, selectors.EVENT_READ, server)
        selector.register(server, selectors.EVENT_READ, client)
        while True:
            for ready, _ in selector.select():
                data = ready.fileobj.recv(65_536)  # type: ignore[union-attr]
                if not data:
                    return
                ready.data.sendall(data)
