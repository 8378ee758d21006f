"""The state machine of one delivery, on real PostgreSQL."""

from __future__ import annotations

import logging
import select
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import LiteralString

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from b2bpilot.errors import (
    DatabaseError,
    DatabaseUnreachable,
    MessageInvalid,
    PilotError,
    ReplyNotSent,
    ReplyRefused,
    ReplyUnknown,
    SchemaOutdated,
)
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.delivery import RedriveMark
from b2bpilot.pipeline.models import ReplyState, SubmissionStatus, UserSubmission
from b2bpilot.pipeline.outcome import DeliveryOutcome
from b2bpilot.pipeline.processing import Replier, process, submission_fields
from tests.events import delivery, message

LEASE = timedelta(seconds=300)
OVER = timedelta(seconds=-1)


class Twilio:
    """Answers each reply with the next of `answers`; after them with a SID."""

    def __init__(self, *answers: PilotError) -> None:
        self.answers = list(answers)
        self.sent: list[tuple[str, str]] = []

    def send(self, *, to: str, from_: str) -> str:
        if self.answers:
            raise self.answers.pop(0)
        self.sent.append((to, from_))
        return f"SM{len(self.sent)}"


def row(database: DatabaseManager, message_id: str) -> UserSubmission:
    found = database.get_submission_by_message_id(message_id)
    assert found is not None
    return found


def test_a_delivery_becomes_one_completed_row(database: DatabaseManager) -> None:
    sent = message(params={"Body": "Zwei Paletten 🚚", "FromZip": ""})

    outcome = process(delivery(sent), database=database, replier=None, lease=LEASE)

    stored = row(database, sent.message_id)
    assert outcome is DeliveryOutcome.STORED
    assert stored.status is SubmissionStatus.COMPLETED
    assert (stored.body, stored.from_number, stored.num_media) == ("Zwei Paletten 🚚", sent.params["From"], 1)
    assert stored.params == sent.params
    assert stored.attempts == 1
    assert stored.lease_expires_at is None
    assert stored.completed_at is not None


def test_a_second_delivery_is_a_success_and_says_already_processed(
    database: DatabaseManager, caplog: pytest.LogCaptureFixture
) -> None:
    sent = message()
    process(delivery(sent), database=database, replier=None, lease=LEASE)

    with caplog.at_level(logging.INFO):
        outcome = process(delivery(sent), database=database, replier=None, lease=LEASE)

    assert outcome is DeliveryOutcome.DUPLICATE
    assert f"Message {sent.message_id} already processed" in caplog.messages
    assert database.count_by_status() == {SubmissionStatus.COMPLETED: 1}


def test_every_line_names_the_message_its_sns_id_and_the_redrive(
    database: DatabaseManager, caplog: pytest.LogCaptureFixture
) -> None:
    mark = RedriveMark(run_id="20261009T124507Z-redrive-0a1b", attempt=2)
    sent = replace(delivery(message()), redrive=mark)

    with caplog.at_level(logging.INFO):
        process(sent, database=database, replier=None, lease=LEASE)

    (line,) = (vars(record) for record in caplog.records if record.name.startswith("b2bpilot"))
    assert line["event"] == "stored"
    assert line["message_id"] == sent.message.message_id
    assert line["sns_message_id"] == sent.sns_message_id
    assert (line["redrive_run_id"], line["redrive_attempt"]) == (mark.run_id, 2)


@pytest.mark.parametrize("is_test", [True, False])
@pytest.mark.parametrize("status", [SubmissionStatus.FAILED, SubmissionStatus.COMPLETED])
def test_a_test_and_a_real_message_of_one_id_never_touch_each_others_row(
    database: DatabaseManager, status: SubmissionStatus, *, is_test: bool
) -> None:
    first = message(params={"NumMedia": "two"} if status is SubmissionStatus.FAILED else {}, test=is_test)
    with suppress(MessageInvalid):
        process(delivery(first), database=database, replier=None, lease=LEASE)
    before = row(database, first.message_id)
    second = message(message_id=first.message_id, params={"Body": "another"}, test=not is_test)

    with pytest.raises(MessageInvalid, match=r"is stored as a (test|real) message"):
        process(delivery(second), database=database, replier=None, lease=LEASE)

    assert before.status is status
    assert row(database, first.message_id) == before


def test_a_message_whose_id_another_kind_has_is_logged_as_failed(
    database: DatabaseManager, caplog: pytest.LogCaptureFixture
) -> None:
    sent = message()
    process(delivery(sent), database=database, replier=None, lease=LEASE)

    with pytest.raises(MessageInvalid):
        process(delivery(replace(sent, test=True)), database=database, replier=None, lease=LEASE)

    (line,) = (vars(record) for record in caplog.records if record.levelname == "ERROR")
    assert (line["event"], line["message_id"]) == ("failed", sent.message_id)


def test_a_delivery_during_another_run_is_a_success_and_changes_nothing(database: DatabaseManager) -> None:
    sent = message()
    database.claim(sent, lease=LEASE)
    before = row(database, sent.message_id)

    outcome = process(delivery(sent), database=database, replier=None, lease=LEASE)

    assert outcome is DeliveryOutcome.IN_PROGRESS
    assert row(database, sent.message_id) == before


def test_a_run_that_was_killed_is_taken_over_when_its_lease_ended(database: DatabaseManager) -> None:
    sent = message()
    database.claim(sent, lease=OVER)

    assert process(delivery(sent), database=database, replier=None, lease=LEASE) is DeliveryOutcome.STORED
    assert row(database, sent.message_id).attempts == 2


def test_a_run_that_outlived_its_lease_cannot_complete_what_another_took(database: DatabaseManager) -> None:
    sent = message()
    late = database.claim(sent, lease=OVER)
    taken = database.claim(sent, lease=LEASE)
    assert late is not None
    assert taken is not None

    assert database.complete(late, submission_fields(sent)) is None
    assert row(database, sent.message_id).status is SubmissionStatus.PROCESSING
    assert database.complete(taken, submission_fields(sent)) is not None


def test_a_late_failure_does_not_undo_what_another_run_did(database: DatabaseManager) -> None:
    sent = message()
    late = database.claim(sent, lease=OVER)
    assert late is not None
    process(delivery(sent), database=database, replier=None, lease=LEASE)

    database.fail(late, "too late")

    assert row(database, sent.message_id).status is SubmissionStatus.COMPLETED


def test_a_message_that_makes_no_sense_fails_with_its_reason_and_may_be_tried_again(
    database: DatabaseManager,
) -> None:
    poison = message(params={"NumMedia": "two"})

    for attempt in (1, 2, 3):
        with pytest.raises(MessageInvalid, match="NumMedia is 'two', not a count"):
            process(delivery(poison), database=database, replier=None, lease=LEASE)
        failed = row(database, poison.message_id)
        assert (failed.status, failed.attempts) == (SubmissionStatus.FAILED, attempt)
        assert failed.last_error == "NumMedia is 'two', not a count"
        assert failed.lease_expires_at is None


def test_a_failed_message_is_completed_by_a_later_delivery(database: DatabaseManager) -> None:
    sent = message(params={"NumMedia": "two"})
    with pytest.raises(MessageInvalid):
        process(delivery(sent), database=database, replier=None, lease=LEASE)
    fixed = message(message_id=sent.message_id, params={**sent.params, "NumMedia": "2"})

    assert process(delivery(fixed), database=database, replier=None, lease=LEASE) is DeliveryOutcome.STORED
    stored = row(database, sent.message_id)
    assert (stored.num_media, stored.last_error) == (2, None)


@pytest.mark.parametrize("round_", range(50))
def test_two_racing_processors_make_one_row_and_one_winner(database_url: str, round_: int) -> None:
    sent = delivery(message())
    start = threading.Barrier(2)
    outcomes: list[DeliveryOutcome] = []

    def run() -> None:
        with DatabaseManager(database_url) as mine:
            mine.count_by_status()
            start.wait()
            outcomes.append(process(sent, database=mine, replier=None, lease=LEASE))

    runs = [threading.Thread(target=run) for _ in range(2)]
    for thread in runs:
        thread.start()
    for thread in runs:
        thread.join()

    assert sorted(outcomes).count(DeliveryOutcome.STORED) == 1
    with DatabaseManager(database_url) as fresh:
        assert fresh.count_by_status() == {SubmissionStatus.COMPLETED: 1}


@given(body=st.text(st.characters(codec=None, exclude_categories=())), name=st.text(st.characters()))
def test_any_text_can_be_stored(template_url: str, body: str, name: str) -> None:
    sent = message(params={"Body": body, "ProfileName": name, "From": name})
    with DatabaseManager(template_url) as database:
        assert process(delivery(sent), database=database, replier=None, lease=LEASE) is DeliveryOutcome.STORED
        stored = row(database, sent.message_id)

    assert stored.params == sent.params
    assert stored.body is not None
    assert len(stored.body) == len(body)


@pytest.fixture(scope="module")
def template_url(postgres_server: str, template_database: str):
    """One database for all examples of a property."""
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE any_text TEMPLATE {template_database}")
        yield make_conninfo(postgres_server, dbname="any_text")
        admin.execute("DROP DATABASE any_text WITH (FORCE)")


def test_a_reply_is_sent_once_from_our_number_to_the_sender(database: DatabaseManager) -> None:
    twilio, sent = Twilio(), message()

    for _ in range(2):
        process(delivery(sent), database=database, replier=twilio, lease=LEASE)

    assert twilio.sent == [(sent.params["From"], sent.params["To"])]
    stored = row(database, sent.message_id)
    assert (stored.reply_state, stored.reply_sid) == (ReplyState.SENT, "SM1")


def test_a_status_callback_that_an_earlier_version_published_is_answered_to_nobody(
    database: DatabaseManager,
) -> None:
    """A redrive or the stale processor brings it here; its sender is our own number."""
    twilio, sent = Twilio(), message(params={"MessageStatus": "delivered", "SmsStatus": "delivered"})

    assert process(delivery(sent), database=database, replier=twilio, lease=LEASE) is DeliveryOutcome.STORED

    assert twilio.sent == []
    assert row(database, sent.message_id).reply_state is None


def test_a_test_message_is_never_replied_to(database: DatabaseManager) -> None:
    twilio, sent = Twilio(), message(test=True)

    assert process(delivery(sent), database=database, replier=twilio, lease=LEASE) is DeliveryOutcome.STORED

    assert twilio.sent == []
    assert row(database, sent.message_id).reply_state is None


def test_who_finds_sending_on_a_takeover_does_not_send_again(database: DatabaseManager) -> None:
    twilio, sent = Twilio(), message()
    killed = database.claim(sent, lease=OVER)
    assert killed is not None
    assert database.begin_reply(killed)

    assert process(delivery(sent), database=database, replier=twilio, lease=LEASE) is DeliveryOutcome.STORED

    assert twilio.sent == []
    assert row(database, sent.message_id).reply_state is ReplyState.UNKNOWN


def test_the_late_answer_to_a_reply_corrects_unknown_to_sent(database: DatabaseManager) -> None:
    sent = message()
    slow = database.claim(sent, lease=OVER)
    assert slow is not None
    database.begin_reply(slow)
    process(delivery(sent), database=database, replier=Twilio(), lease=LEASE)

    database.end_reply(slow, ReplyState.SENT, sid="SM9")

    assert row(database, sent.message_id).reply_state is ReplyState.SENT


def test_a_reply_that_was_not_sent_is_tried_again_by_the_next_run(database: DatabaseManager) -> None:
    twilio, sent = Twilio(ReplyNotSent("Twilio answered 429")), message()

    with pytest.raises(ReplyNotSent):
        process(delivery(sent), database=database, replier=twilio, lease=LEASE)
    assert row(database, sent.message_id).reply_state is None
    process(delivery(sent), database=database, replier=twilio, lease=LEASE)

    assert len(twilio.sent) == 1
    assert row(database, sent.message_id).reply_state is ReplyState.SENT


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (ReplyRefused("Twilio answered 400, error 21610"), ReplyState.REFUSED),
        (ReplyUnknown("no answer"), ReplyState.UNKNOWN),
    ],
)
def test_a_final_answer_completes_the_message_and_is_recorded(
    database: DatabaseManager, answer: PilotError, state: ReplyState
) -> None:
    twilio, sent = Twilio(answer), message()

    assert process(delivery(sent), database=database, replier=twilio, lease=LEASE) is DeliveryOutcome.STORED
    assert (
        process(delivery(sent), database=database, replier=twilio, lease=LEASE) is DeliveryOutcome.DUPLICATE
    )

    assert twilio.sent == []
    assert row(database, sent.message_id).reply_state is state


class Killed(BaseException):
    """Ends a run as SIGKILL does: no handler of ours sees it."""


class Stepper(DatabaseManager):
    """A database whose caller is killed before or after its Nth statement."""

    def __init__(self, dsn: str, *, dies_at: int, after: bool) -> None:
        super().__init__(dsn)
        self._steps, self._dies_at, self._after = 0, dies_at, after

    def _step(self, after: bool) -> None:
        if after != self._after:
            return
        self._steps += 1
        if self._steps == self._dies_at:
            raise Killed

    def __getattribute__(self, name: str):
        found = super().__getattribute__(name)
        if name not in ("claim", "begin_reply", "end_reply", "complete"):
            return found

        def stepped(*args: object, **kwargs: object) -> object:
            self._step(after=False)
            result = found(*args, **kwargs)
            self._step(after=True)
            return result

        return stepped


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_a_reply_is_sent_at_most_once_wherever_the_run_is_killed(
    database_url: str, step: int, after: bool
) -> None:
    twilio: Replier = Twilio()
    sent = message()
    with Stepper(database_url, dies_at=step, after=after) as killed, pytest.raises(Killed):
        process(delivery(sent), database=killed, replier=twilio, lease=OVER)

    with DatabaseManager(database_url) as database:
        process(delivery(sent), database=database, replier=twilio, lease=LEASE)
        stored = row(database, sent.message_id)

    assert isinstance(twilio, Twilio)
    assert len(twilio.sent) <= 1
    assert stored.status is SubmissionStatus.COMPLETED
    assert stored.reply_state in (ReplyState.SENT, ReplyState.UNKNOWN)
    assert (stored.reply_state is ReplyState.SENT) <= (len(twilio.sent) == 1)


def test_a_connection_that_the_server_ended_is_replaced_before_the_work(database_url: str) -> None:
    with DatabaseManager(database_url) as database:
        with database.connection.use() as connection:
            _disconnect_everyone(database_url)
            select.select([connection.fileno()], [], [], 10)

        assert database.count_by_status() == {}


def test_a_connection_that_is_lost_during_a_statement_is_an_error_once_and_then_fixed(
    database_url: str,
) -> None:
    with DatabaseManager(database_url) as database:
        with pytest.raises(DatabaseUnreachable):
            _run(database, "SELECT pg_terminate_backend(pg_backend_pid())")

        assert database.count_by_status() == {}


def test_an_idle_connection_that_died_silently_is_replaced_before_the_work(database_url: str) -> None:
    now = [0.0]
    with DatabaseManager(database_url) as database:
        database.connection._monotonic = lambda: now[0]
        database.count_by_status()
        with database.connection.use() as connection:
            connection.pgconn.finish()
        now[0] = 60.0

        assert database.count_by_status() == {}


def _disconnect_everyone(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_a_statement_that_is_cancelled_is_no_lost_connection(database_url: str) -> None:
    impatient = make_conninfo(database_url, options="-c statement_timeout=50")

    with DatabaseManager(impatient) as database, pytest.raises(DatabaseError) as raised:
        _run(database, "SELECT pg_sleep(10)")

    assert type(raised.value) is DatabaseError
    assert "canceling statement due to statement timeout" in str(raised.value)


def _run(database: DatabaseManager, statement: LiteralString) -> None:
    with database.connection.use() as connection:
        connection.execute(statement)


def test_a_missing_table_names_the_command_that_makes_it(empty_database_url: str) -> None:
    with DatabaseManager(empty_database_url) as database, pytest.raises(SchemaOutdated) as raised:
        database.claim(message(), lease=LEASE)

    assert str(raised.value.hint).startswith(
        "run `b2bpilot migrate`; if the table is there, postgres lacks USAGE"
    )


def test_without_the_unique_index_nothing_is_stored(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("DROP INDEX idx_user_submissions_message_id")

    with DatabaseManager(database_url) as database, pytest.raises(SchemaOutdated):
        process(delivery(message()), database=database, replier=None, lease=LEASE)


def test_an_unreachable_database_is_named_without_its_password() -> None:
    dsn = "postgresql://pilot:s3cret@127.0.0.1:1/orders"
    with DatabaseManager(dsn) as database, pytest.raises(DatabaseUnreachable) as raised:
        database.claim(message(), lease=LEASE)

    assert "orders at 127.0.0.1:1" in str(raised.value)
    assert "s3cret" not in str(raised.value)


def test_create_submission_keeps_the_first_row(database: DatabaseManager) -> None:
    sent = message(params={"Body": "first"})
    fields = submission_fields(sent)

    first = database.create_submission(sent.message_id, fields)
    second = database.create_submission(sent.message_id, fields)

    assert first.id == second.id
    assert first.status is SubmissionStatus.PENDING
    assert process(delivery(sent), database=database, replier=None, lease=LEASE) is DeliveryOutcome.STORED


SWALLOWING = "CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"


@pytest.mark.parametrize(
    ("when", "told"),
    [
        ("INSERT", "no row was written for it, and none is to be seen"),
        ("UPDATE", "its row is there, and an UPDATE did not change it"),
    ],
)
def test_a_trigger_that_swallows_the_row_is_no_success(
    database: DatabaseManager, when: LiteralString, told: str
) -> None:
    with database.connection.use() as connection:
        connection.execute(SWALLOWING)
        connection.execute(
            f"CREATE TRIGGER swallowed BEFORE {when} ON b2b_pilot_user_submissions FOR EACH ROW EXECUTE FUNCTION swallow()"
        )

    with pytest.raises(DatabaseError, match=told):
        process(delivery(message()), database=database, replier=None, lease=LEASE)
