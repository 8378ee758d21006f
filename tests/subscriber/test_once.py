"""A subscriber's code runs once a message, whatever comes and fails; with a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from b2bpilot.pipeline.message import PilotMessage
from b2bpilot.subscriber.once import Message, OnceHandler, once
from tests.events import message, sns_event
from tests.pipeline.test_data_retention import statement

Rows = psycopg.Connection


def insert(message: Message, connection: psycopg.Connection) -> None:
    connection.execute(
        "INSERT INTO effects VALUES (%s, %s)", [message.attributes["source"], message.message_id]
    )


def effects(rows: Rows, of: PilotMessage) -> int:
    found = rows.execute("SELECT count(*) FROM effects WHERE message_id = %s", [of.message_id]).fetchone()
    return int(found[0]) if found else 0


@pytest.fixture
def handler(rows: Rows) -> Iterator[OnceHandler]:
    made = once("analytics")(insert)
    yield made
    made.end()


def test_a_message_that_comes_twice_has_one_effect(handler: OnceHandler, rows: Rows) -> None:
    sent = message()

    assert handler(sns_event(sent)) == {"outcomes": ["stored"]}
    assert handler(sns_event(sent)) == {"outcomes": ["duplicate"]}
    assert effects(rows, sent) == 1


def test_the_documented_retention_job_removes_old_completed_rows_only(
    handler: OnceHandler, rows: Rows
) -> None:
    old, new = message(), message()
    for sent in (old, new):
        handler(sns_event(sent))
    rows.execute(
        "UPDATE b2b_pilot_deliveries SET updated_at = now() - interval '46 days' WHERE message_id = %s",
        [old.message_id],
    )

    assert rows.execute(statement("subscriber").encode()).rowcount == 1
    assert handler(sns_event(new)) == {"outcomes": ["duplicate"]}
