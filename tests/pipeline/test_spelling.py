"""A message_id is text to the table: however a row spells it, the message is stored and answered once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from b2bpilot.pipeline.claim import SubmissionFields
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.discards import SeenRow, mark_discarded, replace_seen, take_back_marks
from b2bpilot.pipeline.message import spellings
from b2bpilot.pipeline.models import SubmissionStatus
from b2bpilot.pipeline.outcome import DeliveryOutcome
from b2bpilot.pipeline.processing import process
from tests.events import delivery, message

LEASE = timedelta(seconds=50)
FIELDS = SubmissionFields(from_number="+15005550006", to_number=None, body="old", num_media=0)
OTHERS: dict[str, Callable[[str], str]] = {
    "upper": str.upper,
    "plain": lambda id_: id_.replace("-", ""),
    "plain-upper": lambda id_: id_.replace("-", "").upper(),
    "braces": lambda id_: f"{{{id_}}}",
    "braces-upper": lambda id_: f"{{{id_}}}".upper(),
    "urn": lambda id_: f"urn:uuid:{id_}",
}
spelled = pytest.mark.parametrize("spell", OTHERS.values(), ids=OTHERS)


class Twilio:
    def __init__(self) -> None:
        self.sent = 0

    def send(self, *, to: str, from_: str) -> str:
        assert to != from_
        self.sent += 1
        return f"SM{self.sent}"


def respell(database: DatabaseManager, message_id: str, spelling: str) -> None:
    with database.connection.use() as connection:
        connection.execute(
            "UPDATE b2b_pilot_user_submissions SET message_id = %s WHERE message_id = %s",
            (spelling, message_id),
        )


@spelled
def test_a_message_whose_row_is_spelled_otherwise_is_not_stored_or_answered_again(
    database: DatabaseManager, spell: Callable[[str], str]
) -> None:
    sent, twilio = delivery(message()), Twilio()
    process(sent, database=database, replier=twilio, lease=LEASE)
    respell(database, sent.message.message_id, spell(sent.message.message_id))

    outcome = process(sent, database=database, replier=twilio, lease=LEASE)

    assert outcome is DeliveryOutcome.DUPLICATE
    assert twilio.sent == 1
    assert database.count_by_status() == {SubmissionStatus.COMPLETED: 1}


@spelled
def test_an_unfinished_row_that_is_spelled_otherwise_is_the_one_that_is_completed(
    database: DatabaseManager, spell: Callable[[str], str]
) -> None:
    sent, twilio = delivery(message()), Twilio()
    message_id = sent.message.message_id
    database.create_submission(message_id, FIELDS)
    respell(database, message_id, spell(message_id))

    assert process(sent, database=database, replier=twilio, lease=LEASE) is DeliveryOutcome.STORED
    assert [row.message_id for row in database.list_submissions()] == [message_id]
    assert twilio.sent == 1


@spelled
def test_a_row_is_found_however_it_is_spelled_and_asked_for(
    database: DatabaseManager, spell: Callable[[str], str]
) -> None:
    sent = message()
    database.create_submission(sent.message_id, FIELDS)
    asked = spell(sent.message_id)

    assert database.get_submission_by_message_id(asked) == database.get_submission_by_message_id(
        sent.message_id
    )
    assert database.progress_of([asked]).keys() == {asked}
    respell(database, sent.message_id, asked)

    found = database.get_submission_by_message_id(sent.message_id)
    assert found is not None
    assert found.message_id == asked
    assert database.progress_of([sent.message_id]).keys() == {sent.message_id}


@spelled
def test_a_row_is_not_created_beside_one_that_is_spelled_otherwise(
    database: DatabaseManager, spell: Callable[[str], str]
) -> None:
    sent = message()
    first = database.create_submission(spell(sent.message_id), FIELDS)
    assert first.message_id == sent.message_id
    respell(database, sent.message_id, spell(sent.message_id))

    assert database.create_submission(sent.message_id, FIELDS).id == first.id
    assert len(database.list_submissions()) == 1


def test_where_both_spellings_have_a_row_the_canonical_one_speaks(database: DatabaseManager) -> None:
    sent = message()
    database.create_submission(sent.message_id, FIELDS)
    respell(database, sent.message_id, sent.message_id.upper())
    with database.connection.use() as connection:
        connection.execute(
            "INSERT INTO b2b_pilot_user_submissions (message_id) VALUES (%s)", (sent.message_id,)
        )

    assert process(delivery(sent), database=database, replier=None, lease=LEASE) is DeliveryOutcome.STORED
    assert database.progress_of([sent.message_id])[sent.message_id].status is SubmissionStatus.COMPLETED
    found = database.get_submission_by_message_id(sent.message_id.upper())
    assert found is not None
    assert found.status is SubmissionStatus.COMPLETED


def test_a_message_that_spells_its_own_id_otherwise_is_claimed_under_the_canonical_one(
    database: DatabaseManager,
) -> None:
    sent = message()
    claim = database.claim(replace(sent, message_id=sent.message_id.upper()), lease=LEASE)

    assert claim is not None
    assert claim.message_id == sent.message_id


def test_what_is_no_uuid_has_one_spelling(database: DatabaseManager) -> None:
    assert spellings("no-uuid") == ["no-uuid"]
    assert database.get_submission_by_message_id("no-uuid") is None


def test_a_claim_before_the_migration_keeps_to_one_row_as_well(
    database: DatabaseManager, database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(
            "ALTER TABLE b2b_pilot_user_submissions DROP COLUMN discarded_by, DROP COLUMN republished_at"
        )
    sent = delivery(message())
    process(sent, database=database, replier=None, lease=LEASE)
    respell(database, sent.message.message_id, sent.message.message_id.upper())

    assert process(sent, database=database, replier=None, lease=LEASE) is DeliveryOutcome.DUPLICATE
    assert database.count_by_status() == {SubmissionStatus.COMPLETED: 1}


@spelled
def test_a_row_that_is_spelled_otherwise_is_marked_as_discarded_and_given_back(
    database: DatabaseManager, spell: Callable[[str], str]
) -> None:
    """The first round found that such a row was not marked: the stale processor would have published its message again."""
    message_id = message().message_id
    database.create_submission(message_id, FIELDS)
    respell(database, message_id, spell(message_id))
    pending = SeenRow(message_id=message_id, test=False, status="pending")

    assert mark_discarded(database, [pending], run_id="r1") == {message_id}
    assert database.count_by_status() == {SubmissionStatus.ABANDONED: 1}
    assert take_back_marks(database, [pending], run_id="r1") == {message_id}
    assert replace_seen(database, pending, message(message_id=message_id)) == {message_id}


@spelled
def test_a_republication_is_written_to_a_row_that_is_spelled_otherwise(
    database: DatabaseManager, spell: Callable[[str], str]
) -> None:
    message_id = message().message_id
    database.create_submission(message_id, FIELDS)
    respell(database, message_id, spell(message_id))

    database.note_republished(message_id, rest=LEASE)
    with database.connection.use() as connection:
        (noted,) = connection.execute("SELECT republished_at IS NOT NULL FROM b2b_pilot_user_submissions")
    assert noted == (True,)

    database.abandon(message_id, "too large")
    assert database.count_by_status() == {SubmissionStatus.ABANDONED: 1}
