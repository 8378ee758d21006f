"""How far a long statement is, seen from a second connection: pg_stat_progress_create_index, and who holds it up."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Thread
from typing import LiteralString

import psycopg

from b2bpilot.errors import DatabaseUnreachable
from b2bpilot.ops.migrations.sessions import blocking

FIRST_LOOK_SECONDS, PAUSE_SECONDS = 0.5, 1.0
STEP_PERCENT = 5
"""Where each line is printed, a long build prints some twenty a phase."""

PROGRESS: LiteralString = """
    SELECT
        phase,
        CASE
            WHEN phase LIKE '%%scanning%%' AND blocks_total > 0 THEN 100 * blocks_done / blocks_total
            WHEN phase LIKE '%%loading%%' AND tuples_total > 0 THEN 100 * tuples_done / tuples_total
        END
    FROM pg_stat_progress_create_index
    WHERE pid = %(pid)s
"""
"""The counters of an earlier phase stay when the next one has none: only those two phases have their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedConnection:
    """Runs a statement on `connection`, whose backend is `pid`, and tells `observer` how far it is.

    `connect` opens the second connection, and is called only for a statement that takes a while.
    """

    connection: psycopg.Connection
    pid: int
    connect: Callable[[], psycopg.Connection]
    observer: Callable[[str], None]

    def __call__(self, doing: str, statement: bytes) -> None:
        done = Event()
        thread = Thread(target=self._watch, args=(doing, done), daemon=True)
        thread.start()
        try:
            self.connection.execute(statement)
        finally:
            done.set()
            thread.join()

    def _watch(self, doing: str, done: Event) -> None:
        """Not to know how far it is must not stop it: errors end the watching only."""
        if done.wait(FIRST_LOOK_SECONDS):
            return
        with suppress(psycopg.Error, DatabaseUnreachable), self.connect() as second:
            told = ""
            while not done.is_set():
                text = f"{doing}: {self._look(second)}"
                if text != told:
                    told = text
                    self.observer(text)
                done.wait(PAUSE_SECONDS)

    def _look(self, second: psycopg.Connection) -> str:
        row = second.execute(PROGRESS, {"pid": self.pid}).fetchone()
        phase, percent = row or ("at work", None)
        text = phase if percent is None else f"{phase}, {percent - percent % STEP_PERCENT} %"
        names = ", ".join(f"{session.name}, {session.state}" for session in blocking(second, self.pid))
        return f"{text}; held up by {names}" if names else text
