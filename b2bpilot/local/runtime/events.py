"""Lambda's internal queue of asynchronous events, on disk: what was accepted survives a kill -9 of this process."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    function TEXT NOT NULL,
    request_id TEXT NOT NULL,
    payload BLOB NOT NULL,
    accepted_at REAL NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT
)
"""
_INDEX = "CREATE INDEX IF NOT EXISTS event_request_id ON event (request_id)"
"""What is offered again is looked for among everything that waits."""


@dataclass(slots=True, kw_only=True)
class Event:
    """`attempts` counts the runs that failed; `error` is what the last of them said."""

    id: int
    function: str
    request_id: str
    payload: bytes
    accepted_at: float
    attempts: int = 0
    error: str | None = None
    throttled: bool = False


class EventQueue:
    """Safe for threads, and for a second process that only puts. The file holds customers' messages: its owner's alone."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        path.touch(mode=0o600)
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute(_SCHEMA)
        self._database.execute(_INDEX)

    def put(self, function: str, request_id: str, payload: bytes, *, accepted_at: float) -> Event | None:
        """Return the new event; None when it is here already: whoever did not hear that it was taken offers it again."""
        with self._lock:
            cursor = self._database.execute(
                "INSERT INTO event (function, request_id, payload, accepted_at) SELECT ?, ?, ?, ?"
                " WHERE NOT EXISTS (SELECT 1 FROM event WHERE request_id = ?)",
                (function, request_id, payload, accepted_at, request_id),
            )
        if not cursor.rowcount:
            return None
        return Event(
            id=cursor.lastrowid or 0,
            function=function,
            request_id=request_id,
            payload=payload,
            accepted_at=accepted_at,
        )

    def failed(self, event: Event) -> None:
        """Remember a failed attempt, so that a restart does not grant it again."""
        with self._lock:
            self._database.execute(
                "UPDATE event SET attempts = ?, error = ? WHERE id = ?",
                (event.attempts, event.error, event.id),
            )

    def done(self, event: Event) -> None:
        with self._lock:
            self._database.execute("DELETE FROM event WHERE id = ?", (event.id,))

    def unfinished(self) -> list[Event]:
        """Everything that was accepted and did not end, in the order of its arrival."""
        with self._lock:
            rows = self._database.execute(
                "SELECT id, function, request_id, payload, accepted_at, attempts, error FROM event ORDER BY id"
            ).fetchall()
        names = ("id", "function", "request_id", "payload", "accepted_at", "attempts", "error")
        return [Event(**dict(zip(names, row, strict=True))) for row in rows]

    def close(self) -> None:
        with self._lock:
            self._database.close()
