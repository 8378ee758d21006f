"""A row that nobody works on any more, locked, and what may be written to it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, LiteralString

import psycopg

from b2bpilot.pipeline import queries
from b2bpilot.pipeline.claim import ERROR_LENGTH, storable
from b2bpilot.pipeline.models import UserSubmission


class StaleRow:
    """One of `lock_stale`; good for its block only."""

    def __init__(self, connection: psycopg.Connection, submission: UserSubmission) -> None:
        self._connection = connection
        self.submission = submission

    def identify(self, message_id: str, *, answers: bool) -> bool:
        """Give a row its message_id, or the canonical spelling of it; False when another row is that message already, with
        its message_id or, where the SQS version finished it, without. Where
        the processor `answers`, whether the SQS version answered its own row already stays unknown."""
        try:
            with self._connection.transaction():
                return self._write(queries.IDENTIFY, {"message_id": message_id, "answers": answers}) == 1
        except psycopg.errors.UniqueViolation:
            return False

    def count_attempt(self, *, back_off: timedelta) -> None:
        """Count one attempt to publish it, and keep the row out of `lock_stale` for a while."""
        with self._connection.cursor() as cursor:
            queries.COUNT_STALE_ATTEMPT.run(cursor, {"id": self.submission.id, "back_off": back_off})

    def abandon(self, error: str) -> None:
        """Give the row up: from now on only a person brings it back."""
        self._write(queries.ABANDON, {"error": storable(error[:ERROR_LENGTH])})

    def _write(self, query: LiteralString, values: Mapping[str, Any]) -> int:
        return self._connection.execute(query, {"id": self.submission.id, **values}).rowcount
