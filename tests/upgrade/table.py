"""The table and the queues of a run, as somebody looks at them who knows no version's code."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from b2bpilot.local.environment import LocalEnvironment
from b2bpilot.local.runtime.events import EventQueue
from b2bpilot.local.state import EVENTS
from b2bpilot.local.twilio.store import ResourceFilter
from b2bpilot.pipeline.message import message_id_for
from b2bpilot.twilio.samples import Sample
from tests.upgrade.books import Found, Row
from tests.upgrade.messages import Drawing, Kind, Message

POLL_SECONDS = 0.1
SID = re.compile(r"SM[0-9a-f]{32}")
LEAVE = """
    INSERT INTO b2b_pilot_user_submissions
        (message_id, message_sid, status, source, message_type, priority, test, params, received_at, attempts,
         lease_expires_at, created_at, updated_at)
    VALUES (%s, %s, 'processing', 'twilio', 'text', 'normal', false, %s, now() - interval '1 hour', 1,
            now() - interval '1 hour', now() - interval '1 hour', now() - interval '1 hour')
"""
ROWS = """
    SELECT message_sid, status, reply_state, extract(epoch FROM completed_at)::float FROM b2b_pilot_user_submissions
"""


class Table:
    """One connection, and not for use by two threads."""

    def __init__(self, connection: psycopg.Connection, drawing: Drawing) -> None:
        self._connection = connection
        self._drawing = drawing

    def leave(self, phase: str) -> Message:
        """Insert what a run leaves that was killed an hour ago."""
        message = self._drawing.of(Kind.LEFT, Sample.TEXT, phase, at=time.time())
        values = (message_id_for(message.sid), message.sid, json.dumps(dict(message.params)))
        self._connection.execute(LEAVE, values)
        return message

    def rows(self) -> list[Row]:
        return [
            Row(sid=sid, status=status, reply_state=reply_state, completed_at=completed_at)
            for sid, status, reply_state, completed_at in self._connection.execute(ROWS)
        ]

    def settled(self) -> tuple[set[str | None], set[str | None]]:
        """The messages that are completed, and those that failed, by MessageSid."""
        rows = self.rows()
        completed = {row.sid for row in rows if row.status == "completed"}
        return completed, {row.sid for row in rows if row.status in ("failed", "abandoned")}


@contextmanager
def events_of_lambda(home: Path) -> Iterator[Callable[[], bool]]:
    """Give what tells whether Lambda holds no event any more."""
    queue = EventQueue(home / EVENTS)
    try:
        yield lambda: not queue.unfinished()
    finally:
        queue.close()


def wait_until(is_idle: Callable[[], bool], *, seconds: float) -> None:
    """What comes later would miss the books."""
    deadline = time.monotonic() + seconds
    while not is_idle() and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def look(environment: LocalEnvironment, table: Table) -> Found:
    url = environment.stack.outputs["DeadLetterQueueUrl"]
    dead_letters = dead_letters_by_sid(environment.aws.sqs, url)
    return Found(rows=table.rows(), replies=replies_by_receiver(environment), dead_letters=dead_letters)


def replies_by_receiver(environment: LocalEnvironment) -> Counter[str]:
    messages = environment.twilio.store.all(ResourceFilter(kind="message"))
    return Counter(one["to"] for one in messages if one["direction"].startswith("outbound"))


def dead_letters_by_sid(queue: Any, url: str) -> Counter[str | None]:
    """Each is taken once: nobody looks after us."""
    bodies: dict[str, str] = {}
    empty = 0
    while empty < 2:
        taken = queue.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=600).get(
            "Messages", []
        )
        bodies |= {one["MessageId"]: one["Body"] for one in taken}
        empty = 0 if taken else empty + 1
    return Counter(match[0] if (match := SID.search(body)) else None for body in bodies.values())
