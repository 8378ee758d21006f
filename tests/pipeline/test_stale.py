"""The stale processor, on real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import psycopg
import pytest

from b2bpilot.errors import (
    AwsDenied,
    AwsThrottled,
    AwsUnreachable,
    MessageTooLarge,
    PilotError,
    PublishFailed,
)
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.message import PilotMessage, Source, message_id_for
from b2bpilot.pipeline.models import SubmissionStatus, UserSubmission
from b2bpilot.pipeline.outcome import Outcome
from b2bpilot.pipeline.processing import process
from b2bpilot.pipeline.stale import ATTEMPT_LIMIT, StaleReport, back_off, republish_stale
from tests.events import delivery, message, new_sid

STALE_AFTER = timedelta(minutes=15)


@pytest.fixture
def database(database_url: str) -> Iterator[DatabaseManager]:
    with DatabaseManager(database_url) as manager:
        yield manager


@pytest.fixture
def admin(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def run(database: DatabaseManager, published: list[PilotMessage], **options: object) -> StaleReport:
    settings = {"stale_after": STALE_AFTER, "is_throttled": lambda: False, **options}
    return republish_stale(database, published.append, **settings)  # type: ignore[arg-type]


def age(admin: psycopg.Connection, minutes: int = 60) -> None:
    admin.execute(
        "UPDATE b2b_pilot_user_submissions SET updated_at = updated_at - %(by)s,"
        " lease_expires_at = lease_expires_at - %(by)s, next_stale_at = next_stale_at - %(by)s",
        {"by": timedelta(minutes=minutes)},
    )


def row(database: DatabaseManager, message_id: str) -> UserSubmission:
    found = database.get_submission_by_message_id(message_id)
    assert found is not None
    return found


def test_a_killed_run_is_published_again_and_then_completed_once(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    sent, published = message(), list[PilotMessage]()
    database.claim(sent, lease=timedelta(minutes=5))
    age(admin)

    report = run(database, published)

    assert (report.claimed, report.published, report.backlog) == (1, 1, 1)
    (again,) = published
    assert (again.message_id, again.params, again.source) == (sent.message_id, sent.params, Source.STALE)
    assert process(delivery(again), database=database, replier=None, lease=STALE_AFTER) is Outcome.STORED
    assert row(database, sent.message_id).source == "twilio"


@pytest.mark.parametrize("minutes", [0, 14, 19])
def test_what_lambda_may_still_be_retrying_is_left_alone(
    database: DatabaseManager, admin: psycopg.Connection, minutes: int
) -> None:
    """The lease of 5 minutes ends 5 minutes after the claim; 15 minutes count from there."""
    published: list[PilotMessage] = []
    database.claim(message(), lease=timedelta(minutes=5))
    age(admin, minutes)

    assert run(database, published) == StaleReport()
    assert published == []


def test_completed_rows_are_never_published(database: DatabaseManager, admin: psycopg.Connection) -> None:
    published: list[PilotMessage] = []
    process(delivery(message()), database=database, replier=None, lease=STALE_AFTER)
    age(admin)

    assert run(database, published).claimed == 0


def test_a_row_of_the_old_system_gets_the_id_of_its_twilio_message(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    sid, published = new_sid(), list[PilotMessage]()
    admin.execute(
        "INSERT INTO b2b_pilot_user_submissions (message_sid, from_number, to_number, body)"
        " VALUES (%s, '+15005550006', '+15005550001', 'old')",
        (sid,),
    )
    age(admin)

    report = run(database, published)

    assert (report.identified, report.published) == (1, 1)
    assert published[0].message_id == message_id_for(sid)
    assert published[0].params == {
        "MessageSid": sid,
        "From": "+15005550006",
        "To": "+15005550001",
        "Body": "old",
        "NumMedia": "0",
    }
    process(delivery(published[0]), database=database, replier=None, lease=STALE_AFTER)
    assert database.count_by_status() == {SubmissionStatus.COMPLETED: 1}


def test_an_old_row_whose_message_is_stored_already_is_not_stored_twice(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    sent, published = message(), list[PilotMessage]()
    process(delivery(sent), database=database, replier=None, lease=STALE_AFTER)
    admin.execute(
        "INSERT INTO b2b_pilot_user_submissions (message_sid, body) VALUES (%s, 'old')",
        (sent.params["MessageSid"],),
    )
    age(admin)

    report = run(database, published)

    assert (report.abandoned, report.published) == (1, 0)
    assert published == []
    assert database.count_by_status() == {SubmissionStatus.COMPLETED: 1, SubmissionStatus.ABANDONED: 1}


def test_a_message_is_given_up_after_the_limit_with_its_last_error(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    sent, published = message(), list[PilotMessage]()
    claim = database.claim(sent, lease=timedelta(minutes=5))
    assert claim is not None
    database.fail(claim, "boom")

    for _ in range(ATTEMPT_LIMIT + 2):
        age(admin, minutes=7 * 60)
        run(database, published)

    assert len(published) == ATTEMPT_LIMIT
    abandoned = row(database, sent.message_id)
    assert abandoned.status is SubmissionStatus.ABANDONED
    assert abandoned.last_error == "given up after 5 tries to publish it again: boom"


def test_a_published_message_rests_before_it_is_published_again(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    published: list[PilotMessage] = []
    database.claim(message(), lease=timedelta(minutes=5))
    age(admin)
    run(database, published)

    assert run(database, published).claimed == 0
    age(admin, minutes=16)
    assert run(database, published).claimed == 1


def test_the_rest_grows_and_is_bounded() -> None:
    rests = [back_off(attempts, stale_after=STALE_AFTER) for attempts in range(7)]

    assert rests[:3] == [timedelta(minutes=15), timedelta(minutes=30), timedelta(hours=1)]
    assert rests[-1] == timedelta(hours=6)


def test_nothing_is_touched_while_the_processor_is_throttled(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    sent, published = message(), list[PilotMessage]()
    database.claim(sent, lease=timedelta(minutes=5))
    age(admin)
    before = row(database, sent.message_id)

    report = run(database, published, is_throttled=lambda: True)

    assert report == StaleReport(stood_still=True, backlog=1)
    assert row(database, sent.message_id) == before


def test_a_publish_that_fails_is_reported_and_left_for_a_later_round(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    database.claim(message(), lease=timedelta(minutes=5))
    age(admin)

    def refuse(_: PilotMessage) -> None:
        raise PublishFailed("SNS said no")

    report = republish_stale(database, refuse, stale_after=STALE_AFTER, is_throttled=lambda: False)

    assert (report.published, report.publish_failed, report.backlog) == (0, 1, 1)


def refusing(error: PilotError, asked: list[PilotMessage]) -> Callable[[PilotMessage], None]:
    """Publish nothing, and note who was asked for."""

    def refuse(sent: PilotMessage) -> None:
        asked.append(sent)
        raise error

    return refuse


def run_refused(database: DatabaseManager, error: PilotError, asked: list[PilotMessage]) -> StaleReport:
    return republish_stale(
        database, refusing(error, asked), stale_after=STALE_AFTER, is_throttled=lambda: False
    )


def claimed(database: DatabaseManager, count: int) -> list[PilotMessage]:
    sent = [message() for _ in range(count)]
    for one in sent:
        database.claim(one, lease=timedelta(minutes=5))
    return sent


def stale_attempts(database: DatabaseManager, messages: Sequence[PilotMessage]) -> int:
    return sum(row(database, one.message_id).stale_attempts for one in messages)


CERTAIN = [
    AwsDenied("AWS denied sns:Publish"),
    AwsThrottled("AWS throttled sns:Publish"),
    AwsUnreachable("AWS was not reached"),
]


@pytest.mark.parametrize("error", CERTAIN, ids=lambda error: type(error).__name__)
def test_a_topic_that_takes_nothing_for_hours_is_no_reason_to_give_a_message_up(
    database: DatabaseManager, admin: psycopg.Connection, error: PilotError
) -> None:
    sent, asked, published = claimed(database, 3), list[PilotMessage](), list[PilotMessage]()

    for _ in range(2 * ATTEMPT_LIMIT):
        age(admin, minutes=7 * 60)
        report = run_refused(database, error, asked)

    assert (report.claimed, report.publish_failed, report.handed_back, report.abandoned) == (3, 1, 3, 0)
    assert stale_attempts(database, sent) == 0
    age(admin, minutes=7 * 60)
    assert run(database, published).published == 3


def test_after_a_refusal_the_rest_of_the_batch_is_not_tried_and_need_not_wait(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    claimed(database, 3)
    asked, published = list[PilotMessage](), list[PilotMessage]()
    age(admin)

    run_refused(database, CERTAIN[0], asked)
    run(database, published)

    (refused,) = asked
    assert len(published) == 2
    assert refused.message_id not in {one.message_id for one in published}


def test_a_publish_that_may_have_succeeded_keeps_its_attempt_and_ends_the_batch(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    sent, asked = claimed(database, 3), list[PilotMessage]()
    age(admin)

    report = run_refused(database, PublishFailed("no answer", is_unknown=True), asked)

    assert (len(asked), report.publish_failed, report.handed_back) == (1, 1, 2)
    assert row(database, asked[0].message_id).stale_attempts == 1
    assert stale_attempts(database, sent) == 1


def test_a_message_that_sns_cannot_take_stops_nobody_else(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    sent, asked = claimed(database, 3), list[PilotMessage]()
    age(admin)

    report = run_refused(database, MessageTooLarge("262,145 bytes"), asked)

    assert (len(asked), report.publish_failed, report.handed_back) == (3, 3, 0)
    assert stale_attempts(database, sent) == 3


def test_two_runs_at_once_take_different_rows(
    database_url: str, database: DatabaseManager, admin: psycopg.Connection
) -> None:
    for _ in range(40):
        database.claim(message(), lease=timedelta(minutes=5))
    age(admin)
    start, published = threading.Barrier(2), list[PilotMessage]()

    def one() -> None:
        with DatabaseManager(database_url) as mine:
            start.wait()
            run(mine, published, batch=20)

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({sent.message_id for sent in published}) == len(published)
    run(database, published, batch=40)
    assert len({sent.message_id for sent in published}) == len(published) == 40


def test_a_batch_is_bounded(database: DatabaseManager, admin: psycopg.Connection) -> None:
    published: list[PilotMessage] = []
    for _ in range(5):
        database.claim(message(), lease=timedelta(minutes=5))
    age(admin)

    assert run(database, published, batch=3).claimed == 3
