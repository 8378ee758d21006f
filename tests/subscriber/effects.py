"""What a subscriber's code does in these tests, and a look at it."""

from __future__ import annotations

from typing import Any, LiteralString

import psycopg

from b2bpilot.pipeline.message import PilotMessage
from b2bpilot.subscriber.once import Message

TABLE: LiteralString = "CREATE TABLE effects (message_id uuid, source text)"
ROW: LiteralString = """
    SELECT status, attempts, lease_expires_at IS NOT NULL, last_error FROM b2b_pilot_deliveries
    WHERE message_id = %s AND subscriber = %s
"""
AGE: LiteralString = """
    UPDATE b2b_pilot_deliveries SET lease_expires_at = now() - interval '1 s'
    WHERE message_id = %s AND lease_expires_at IS NOT NULL
"""


def insert(message: Message, connection: psycopg.Connection) -> None:
    """Once, and it can be seen how often: the table has no key."""
    connection.execute("INSERT INTO effects VALUES (%s, %s)", [message.message_id, message.source])


class Rows(psycopg.Connection[tuple[Any, ...]]):
    """The subscriber's database, seen from beside."""

    def effects(self, of: PilotMessage) -> int:
        found = self.execute("SELECT count(*) FROM effects WHERE message_id = %s", [of.message_id]).fetchone()
        return int(found[0]) if found else 0

    def delivery(self, of: PilotMessage, subscriber: str = "analytics") -> tuple[Any, ...] | None:
        """Status, attempts, whether a lease is there, the error."""
        return self.execute(ROW, [of.message_id, subscriber]).fetchone()

    def end_lease(self, of: PilotMessage) -> None:
        """What time does when a run has died."""
        self.execute(AGE, [of.message_id])
