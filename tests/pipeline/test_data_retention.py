"""The statements of docs/data.md, as a retention job or an operator runs them: what they remove, and what comes after them."""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from b2bpilot.errors import DatabaseError
from b2bpilot.ops.republish.plan import RowDecision, decide
from b2bpilot.ops.verify.template import parse
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.message import PilotMessage
from b2bpilot.pipeline.models import SubmissionStatus
from b2bpilot.pipeline.outcome import DeliveryOutcome
from b2bpilot.pipeline.processing import process
from tests.events import delivery, message

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "data.md").read_text()
LEASE = timedelta(seconds=50)
NUMBER, NOBODY = "+15005550006", "+15005550099"
SNS_TRIES = timedelta(days=23)
"""docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html, for Lambda and SQS."""


def statement(name: str) -> str:
    (found,) = re.findall(rf"```sql\n-- {name}: [^\n]*\n(.*?)```", DOCUMENT, re.DOTALL)
    return str(found)


def days(name: str) -> timedelta:
    (found,) = re.findall(r"interval '(\d+) days'", statement(name))
    return timedelta(days=int(found))


def deliver(database: DatabaseManager, sent: PilotMessage) -> DeliveryOutcome:
    return process(delivery(sent), database=database, replier=None, lease=LEASE)


def age(admin: psycopg.Connection, by: timedelta) -> None:
    admin.execute("UPDATE b2b_pilot_user_submissions SET updated_at = updated_at - %s", (by,))


def end_lease(admin: psycopg.Connection) -> None:
    admin.execute("UPDATE b2b_pilot_user_submissions SET lease_expires_at = NULL, status = 'failed'")


def erase(admin: psycopg.Connection, number: str = NUMBER) -> list[tuple[Any, ...]]:
    """As psql does with -v number=..."""
    return admin.execute(statement("erase.sql").replace(":'number'", f"'{number}'")).fetchall()


def written(admin: psycopg.Connection) -> str:
    return str(admin.execute("SELECT row_to_json(t)::text FROM b2b_pilot_user_submissions t").fetchall())


def test_an_emptied_row_says_nothing_and_takes_a_later_copy_for_a_duplicate(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    sent = message()
    deliver(database, sent)
    age(admin, days("empty"))

    assert admin.execute(statement("empty")).rowcount == 1

    left = written(admin)
    said = {value for value in sent.params.values() if len(value) > 3 and value in left}
    assert said == {sent.params["MessageSid"]}
    assert "5005550006" not in left
    assert deliver(database, sent) is DeliveryOutcome.DUPLICATE
    assert admin.execute(statement("empty")).rowcount == 0


def test_only_what_was_not_touched_for_so_long_is_emptied(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    deliver(database, message())
    database.claim(message(), lease=LEASE)
    age(admin, days("empty") - timedelta(hours=1))
    assert admin.execute(statement("empty")).rowcount == 0

    age(admin, timedelta(hours=2))
    assert admin.execute(statement("empty")).rowcount == 1, "what was not completed waits for a person"


def test_a_row_is_deleted_when_no_copy_can_come_any_more(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    """The dead letter of a younger row may still be there, and would be stored, and answered, again."""
    sent = message()
    deliver(database, sent)
    age(admin, days("delete") - timedelta(hours=1))

    assert admin.execute(statement("delete")).rowcount == 0
    assert deliver(database, sent) is DeliveryOutcome.DUPLICATE

    age(admin, timedelta(hours=2))
    assert admin.execute(statement("delete")).rowcount == 1
    assert deliver(database, sent) is DeliveryOutcome.STORED, "so nothing must be left that delivers it"


def test_the_job_waits_longer_than_any_copy_lives() -> None:
    resources = parse((ROOT / "template.yaml").read_text())["Resources"]
    queue = resources["DeadLetterQueue"]["Properties"]["MessageRetentionPeriod"]
    held = resources["ProcessorEventInvokeConfig"]["Properties"]["MaximumEventAgeInSeconds"]

    longest = SNS_TRIES + timedelta(seconds=held) + timedelta(seconds=queue)

    assert longest == timedelta(days=37, hours=6)
    assert days("delete") > longest + timedelta(days=7)


def test_logs_go_after_the_days_that_the_document_says() -> None:
    resources = parse((ROOT / "template.yaml").read_text())["Resources"].values()
    kept = {
        each["Properties"]["RetentionInDays"] for each in resources if each["Type"] == "AWS::Logs::LogGroup"
    }

    assert kept == {30}


@pytest.mark.parametrize(
    "refusal",
    [
        "ALTER TABLE b2b_pilot_user_submissions ADD CONSTRAINT short CHECK (length(body) < 3)",
        "ALTER TABLE b2b_pilot_user_submissions ALTER COLUMN body TYPE varchar(3)",
        "CREATE UNIQUE INDEX once ON b2b_pilot_user_submissions (from_number)",
    ],
)
def test_what_is_logged_of_a_refused_row_has_no_text_and_no_number(
    database: DatabaseManager, admin: psycopg.Connection, caplog: pytest.LogCaptureFixture, refusal: str
) -> None:
    deliver(database, message(params={"Body": "ok"}))
    admin.execute(refusal)
    sent = message()

    with caplog.at_level(logging.DEBUG), pytest.raises(DatabaseError) as raised:
        deliver(database, sent)

    said = f"{raised.value} {[vars(record) for record in caplog.records]}"
    assert "5005550006" not in said
    assert "pallets" not in said


def test_an_erased_person_is_in_no_row_and_others_are_left(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    theirs, others = message(), message(params={"From": NOBODY, "WaId": "15005550099"})
    waiting = message()
    database.claim(waiting, lease=LEASE)
    end_lease(admin)
    deliver(database, theirs)
    deliver(database, others)

    erased = dict(erase(admin))

    assert erased == {theirs.message_id: "completed", waiting.message_id: "abandoned"}
    assert "5005550006" not in written(admin)
    assert (kept := database.get_submission_by_message_id(others.message_id)) is not None
    assert kept.from_number == NOBODY
    assert deliver(database, theirs) is DeliveryOutcome.DUPLICATE
    assert deliver(database, waiting) is DeliveryOutcome.DISCARDED


def erased_while_it_waited(database: DatabaseManager, admin: psycopg.Connection) -> PilotMessage:
    sent = message()
    database.claim(sent, lease=LEASE)
    end_lease(admin)
    erase(admin)
    return sent


def test_an_erased_message_that_waited_is_published_by_nobody(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    sent = erased_while_it_waited(database, admin)
    age(admin, timedelta(days=1))

    assert database.count_stale(stale_after=timedelta(minutes=15)) == 0
    row = database.get_submission_by_message_id(sent.message_id)
    assert row is not None
    assert decide(row, now=database.now(), discarded=False).decision is RowDecision.DISCARDED
    assert decide(row, now=database.now(), discarded=True).decision is RowDecision.UNREADABLE


def test_a_row_whose_mark_is_taken_back_is_filled_by_its_dead_letter_only(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    sent = erased_while_it_waited(database, admin)
    admin.execute("UPDATE b2b_pilot_user_submissions SET status = 'failed', discarded_by = NULL")

    row = database.get_submission_by_message_id(sent.message_id)
    assert row is not None
    assert decide(row, now=database.now(), discarded=False).decision is RowDecision.UNREADABLE
    assert deliver(database, sent) is DeliveryOutcome.STORED
    stored = database.get_submission_by_message_id(sent.message_id)
    assert stored is not None
    assert (stored.status, stored.body) == (SubmissionStatus.COMPLETED, sent.params["Body"])


def test_a_row_that_is_worked_on_is_left(database: DatabaseManager, admin: psycopg.Connection) -> None:
    database.claim(message(), lease=LEASE)

    assert erase(admin) == []
