"""Traffic on a table while it is migrated: a writer, as the previous version inserts, and a reader."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import LiteralString

import psycopg

WRITE: LiteralString = """
    INSERT INTO b2b_pilot_user_submissions (message_sid, from_number, to_number, body)
    VALUES ('SM' || md5(random()::text), '+15005550006', '+15005550001', 'hello')
"""
READ: LiteralString = (
    "SELECT id, message_sid, status FROM b2b_pilot_user_submissions ORDER BY id DESC LIMIT 10"
)


@dataclass(slots=True, kw_only=True)
class Client:
    """Runs one statement again and again on a connection of its own, `per_second` times when it can."""

    name: str
    statement: LiteralString
    per_second: int
    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def run(self, dsn: str, end: threading.Event) -> None:
        with psycopg.connect(dsn, autocommit=True, application_name=self.name) as connection:
            due = time.monotonic()
            while not end.wait(max(0.0, due - time.monotonic())):
                self._once(connection)
                due = max(due + 1 / self.per_second, time.monotonic() - 1)

    def _once(self, connection: psycopg.Connection) -> None:
        started = time.monotonic()
        try:
            connection.execute(self.statement)
        except psycopg.Error as exc:
            self.failures.append(str(exc))
        self.seconds.append(time.monotonic() - started)


@contextmanager
def traffic(dsn: str, *, per_second: int = 200) -> Iterator[list[Client]]:
    """Run a writer and a reader during the block; they have ended when it is left."""
    clients = [
        Client(name="writer", statement=WRITE, per_second=per_second),
        Client(name="reader", statement=READ, per_second=per_second),
    ]
    end = threading.Event()
    threads = [threading.Thread(target=client.run, args=(dsn, end)) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield clients
    finally:
        end.set()
        for thread in threads:
            thread.join()
