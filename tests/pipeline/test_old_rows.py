"""A row of the SQS version, which has a MessageSid and no message_id, and the same message out of the old queue."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from b2bpilot.pipeline.claim import claim_values
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.delivery import Delivery
from b2bpilot.pipeline.message import PilotMessage, Priority, new_message_id
from b2bpilot.pipeline.models import ReplyState, SubmissionStatus
from b2bpilot.pipeline.outcome import DeliveryOutcome
from b2bpilot.pipeline.processing import process
from b2bpilot.pipeline.queries import CLAIM
from b2bpilot.pipeline.reserve import Reserve
from b2bpilot.pipeline.stale import StaleRules, republish_stale
from tests.events import delivery, message

LEASE = timedelta(seconds=50)
OLD = """
    INSERT INTO b2b_pilot_user_submissions (message_sid, from_number, to_number, body, status)
    VALUES (%s, '+15005550006', '+15005550001', 'old', %s)
"""


class Twilio:
    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, *, to: str, from_: str) -> str:
        assert to != from_
        self.sent.append(to)
        return f"SM{len(self.sent)}"


def run(
    sent: Delivery,
    database: DatabaseManager,
    twilio: Twilio | None,
    *,
    adopts: bool = True,
    answers: bool = True,
) -> DeliveryOutcome:
    return process(sent, database=database, replier=twilio, lease=LEASE, adopts=adopts, answers=answers)


def rows(admin: psycopg.Connection) -> list[tuple[object, ...]]:
    found = admin.execute(
        "SELECT message_id, status, reply_state FROM b2b_pilot_user_submissions ORDER BY id"
    )
    return list(found.fetchall())


def test_what_the_old_version_finished_is_not_stored_or_answered_again(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    sent, twilio = delivery(message()), Twilio()
    admin.execute(OLD, (sent.message.params["MessageSid"], "completed"))

    assert [run(sent, database, twilio) for _ in range(2)] == [DeliveryOutcome.DUPLICATE] * 2
    assert rows(admin) == [(sent.message.message_id, "completed", None)]
    assert twilio.sent == []


@pytest.mark.parametrize("status", ["pending", "processing", "failed", "abandoned", "another word"])
@pytest.mark.parametrize("answers", [True, False])
def test_what_it_left_unfinished_is_finished_and_never_answered_twice(
    database: DatabaseManager, admin: psycopg.Connection, status: str, answers: bool
) -> None:
    """It may have answered before it ended."""
    sent, twilio = delivery(message()), Twilio()
    admin.execute(OLD, (sent.message.params["MessageSid"], status))

    assert run(sent, database, twilio if answers else None, answers=answers) is DeliveryOutcome.STORED
    assert rows(admin) == [(sent.message.message_id, "completed", "unknown" if answers else None)]
    assert twilio.sent == []


def test_a_run_that_dies_with_it_leaves_the_next_one_no_reply_to_send(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    sent, twilio = delivery(message()), Twilio()
    admin.execute(OLD, (sent.message.params["MessageSid"], "pending"))
    assert database.claim(sent.message, lease=timedelta(0), adopts=True) is not None

    assert run(sent, database, twilio) is DeliveryOutcome.STORED
    assert (rows(admin)[0][1:], twilio.sent) == (("completed", "unknown"), [])


def test_of_two_rows_that_the_old_version_made_of_a_message_the_finished_one_counts(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    sent, twilio = delivery(message()), Twilio()
    for status in ("pending", "completed"):
        admin.execute(OLD, (sent.message.params["MessageSid"], status))

    assert [run(sent, database, twilio) for _ in range(2)] == [DeliveryOutcome.DUPLICATE] * 2
    assert rows(admin) == [(None, "pending", None), (sent.message.message_id, "completed", None)]


def test_the_stale_processor_leaves_the_unfinished_one_of_two_alone(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    sent = message()
    for status in ("pending", "completed"):
        admin.execute(OLD, (sent.params["MessageSid"], status))
    rules, again = StaleRules(stale_after=timedelta(0), reserve=Reserve(runs=10)), list[PilotMessage]()
    republish_stale(database, again.append, rules, has_answered=lambda _: True)

    assert again == []
    assert rows(admin) == [(None, "abandoned", None), (None, "completed", None)]


def test_what_was_of_high_priority_stays_so_when_its_copy_comes_out_of_the_old_queue(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    high = message(priority=Priority.HIGH)
    assert database.claim(high, lease=timedelta(0), adopts=True) is not None
    assert run(delivery(replace(high, priority=Priority.NORMAL)), database, None) is DeliveryOutcome.STORED
    assert admin.execute("SELECT priority FROM b2b_pilot_user_submissions").fetchall() == [("high",)]


def test_a_row_that_came_beside_todays_changes_nothing(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    """Old code that had looked before the claim: what the guide's order is for."""
    sent, twilio = delivery(message()), Twilio()
    assert run(sent, database, twilio) is DeliveryOutcome.STORED
    admin.execute(OLD, (sent.message.params["MessageSid"], "completed"))

    assert run(sent, database, twilio) is DeliveryOutcome.DUPLICATE
    assert len(twilio.sent) == 1


def test_no_test_takes_an_old_row_and_without_an_old_queue_nobody_does(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    sent = delivery(message())
    admin.execute(OLD, (sent.message.params["MessageSid"], "completed"))
    test = message(params=dict(sent.message.params), test=True, message_id=new_message_id())
    assert run(delivery(test), database, None) is DeliveryOutcome.STORED
    assert run(sent, database, None, adopts=False) is DeliveryOutcome.STORED
    assert database.count_by_status() == {SubmissionStatus.COMPLETED: 3}


def test_many_at_once_take_an_old_row_once(
    database_url: str, database: DatabaseManager, admin: psycopg.Connection
) -> None:
    sent, twilio, start = delivery(message()), Twilio(), threading.Barrier(8)
    admin.execute(OLD, (sent.message.params["MessageSid"], "completed"))

    def one(_: int) -> DeliveryOutcome:
        with DatabaseManager(database_url) as own:
            own.now()
            start.wait()
            return run(sent, own, twilio)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(one, range(8))) == {DeliveryOutcome.DUPLICATE}
    assert rows(admin) == [(sent.message.message_id, "completed", None)]


def test_the_stale_processor_takes_what_the_old_version_left_and_it_is_not_answered_twice(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    sent, twilio = message(), Twilio()
    admin.execute(OLD, (sent.params["MessageSid"], "pending"))
    rules = StaleRules(stale_after=timedelta(0), reserve=Reserve(runs=10))
    again: list[PilotMessage] = []
    republish_stale(database, again.append, rules, has_answered=lambda _: True)

    assert [one.message_id for one in again] == [sent.message_id]
    assert run(delivery(again[0]), database, twilio) is DeliveryOutcome.STORED
    assert run(delivery(sent), database, twilio) is DeliveryOutcome.DUPLICATE
    assert rows(admin) == [(sent.message_id, "completed", str(ReplyState.UNKNOWN))]
    assert twilio.sent == []


def test_without_an_old_queue_a_claim_does_not_look_for_old_rows(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    """There is no index on the MessageSid: each claim would read the whole table."""
    plans = []
    for adopts in (True, False):
        values = claim_values(message(), LEASE, adopts=adopts, answers=True)
        lines = psycopg.ClientCursor(admin).execute(f"EXPLAIN {CLAIM.query}", values)
        plans.append("message_sid" in str(lines.fetchall()))
    assert plans == [True, False]


def test_a_claim_reads_no_old_row_but_its_own(database: DatabaseManager, admin: psycopg.Connection) -> None:
    """By the index of add_old_rows_index.sql: the SQS version may have left millions."""
    admin.execute(
        "INSERT INTO b2b_pilot_user_submissions (message_sid, status)"
        " SELECT 'SM' || n, 'completed' FROM generate_series(1, 20000) AS n"
    )
    admin.execute("ANALYZE b2b_pilot_user_submissions")
    values = claim_values(message(), LEASE, adopts=True, answers=True)

    plan = admin.execute(f"EXPLAIN (FORMAT TEXT) {CLAIM.query}", values).fetchall()

    assert "idx_user_submissions_old_rows" in str(plan)
    assert "Seq Scan" not in str(plan)
