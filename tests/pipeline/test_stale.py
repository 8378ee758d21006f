"""The stale processor, on real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
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
from b2bpilot.pipeline.message import PilotMessage, Priority, Source, encode, message_id_for
from b2bpilot.pipeline.models import SubmissionStatus, UserSubmission
from b2bpilot.pipeline.outcome import DeliveryOutcome
from b2bpilot.pipeline.processing import process
from b2bpilot.pipeline.reserve import Answered, Reserve
from b2bpilot.pipeline.stale import IN_LAMBDAS_HANDS, StaleReport, StaleRules, back_off, republish_stale
from tests.events import delivery, message, new_sid

STALE_AFTER = timedelta(minutes=15)


RESERVE = Reserve(runs=10)


def run(
    database: DatabaseManager,
    published: list[PilotMessage],
    *,
    batch: int = 100,
    reserve: Reserve = RESERVE,
    has_answered: Answered = lambda _: True,
) -> StaleReport:
    rules = StaleRules(stale_after=STALE_AFTER, reserve=reserve, batch=batch)
    return republish_stale(database, published.append, rules, has_answered=has_answered)


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
    sent, published = message(priority=Priority.HIGH), list[PilotMessage]()
    database.claim(sent, lease=timedelta(minutes=5))
    age(admin)

    report = run(database, published)

    assert (report.claimed, report.published, report.backlog) == (1, 1, 1)
    (again,) = published
    assert (again.message_id, again.params, again.source) == (sent.message_id, sent.params, Source.STALE)
    assert encode(again).attributes["priority"]["StringValue"] == "high"
    assert (
        process(delivery(again), database=database, replier=None, lease=STALE_AFTER) is DeliveryOutcome.STORED
    )
    assert row(database, sent.message_id).source == "twilio"


@pytest.mark.parametrize("minutes", [0, 14, 19])
def test_what_lambda_may_still_be_retrying_is_left_alone(
    database: DatabaseManager, admin: psycopg.Connection, minutes: int
) -> None:
    """The lease of 5 minutes ends 5 minutes after the claim; 15 minutes count from there."""
    published: list[PilotMessage] = []
    database.claim(message(), lease=timedelta(minutes=5))
    age(admin, minutes)

    assert run(database, published) == StaleReport(reserve=10)
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


def failed(database: DatabaseManager, error: str = "boom") -> PilotMessage:
    sent = message()
    claim = database.claim(sent, lease=timedelta(seconds=50))
    assert claim is not None
    database.fail(claim, error)
    return sent


def test_a_message_that_sns_accepted_again_is_abandoned_and_not_published_a_second_time(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    """At e623749 it was published five times, and became up to six dead letters."""
    sent, published = failed(database), list[PilotMessage]()

    for _ in range(8):
        age(admin, minutes=7 * 60)
        run(database, published)

    assert len(published) == 1
    abandoned = row(database, sent.message_id)
    assert abandoned.status is SubmissionStatus.ABANDONED
    assert abandoned.last_error == "published again once, and not completed since: boom"
    assert abandoned.republished_at is not None


def test_a_message_that_failed_again_after_a_person_redrove_it_waits_for_a_person_again(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    sent, published = failed(database), list[PilotMessage]()
    for _ in range(2):
        age(admin)
        run(database, published)
    assert row(database, sent.message_id).status is SubmissionStatus.ABANDONED

    claim = database.claim(sent, lease=timedelta(seconds=50))
    assert claim is not None
    database.fail(claim, "still broken")
    age(admin)
    report = run(database, published)

    assert (report.abandoned, report.published, len(published)) == (1, 0, 1)
    assert "still broken" in str(row(database, sent.message_id).last_error)


def test_a_published_message_has_its_time_before_it_is_abandoned(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    published: list[PilotMessage] = []
    failed(database)
    age(admin)
    run(database, published)

    assert run(database, published).claimed == 0
    age(admin, minutes=14)
    assert run(database, published).claimed == 0
    age(admin, minutes=2)
    assert run(database, published).abandoned == 1


def test_a_discarded_message_is_not_published_again(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    failed(database)
    admin.execute("UPDATE b2b_pilot_user_submissions SET status = 'abandoned', discarded_by = 'a run'")
    age(admin)

    assert run(database, list[PilotMessage]()).claimed == 0


def test_before_the_migration_a_message_is_published_again_once_as_well(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    admin.execute(
        "ALTER TABLE b2b_pilot_user_submissions DROP COLUMN discarded_by, DROP COLUMN republished_at"
    )
    sent, asked, published = failed(database), list[PilotMessage](), list[PilotMessage]()
    age(admin)

    for _ in range(8):
        run_refused(database, AwsThrottled("AWS throttled sns:Publish"), asked)
        age(admin, minutes=7 * 60)
    for _ in range(4):
        run(database, published)
        age(admin, minutes=7 * 60)

    assert (len(asked), len(published)) == (8, 1)
    assert row(database, sent.message_id).status is SubmissionStatus.ABANDONED


def test_the_rest_after_a_refusal_grows_and_is_never_longer_than_the_stale_time() -> None:
    rests = [back_off(attempts, longest=STALE_AFTER) for attempts in (0, 1, 2, 3, 4, 1_000)]

    assert [rest / timedelta(minutes=1) for rest in rests] == [1, 2, 4, 8, 15, 15]
    assert back_off(1_000, longest=timedelta(minutes=1)) == timedelta(minutes=1)


@pytest.mark.parametrize(
    ("concurrency", "throttled", "runs"), [(10, 0, 10), (10, 0.5, 5), (10, 0.99, 1), (0, 0, 1)]
)
def test_the_share_that_is_throttled_is_left_to_the_others_and_never_all(
    concurrency: int, throttled: float, runs: int
) -> None:
    assert Reserve.of(concurrency, throttled) == Reserve(runs=runs)


def test_a_throttled_processor_gets_no_more_at_a_time_than_it_can_take(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    """At e623749 any throttle within five minutes stopped everything, and a hundred at once caused the next."""
    for _ in range(5):
        failed(database)
    age(admin)
    published, waves = list[PilotMessage](), list[int]()

    def has_answered(_: Sequence[str]) -> bool:
        waves.append(len(published))
        return True

    report = run(database, published, reserve=Reserve(runs=2), has_answered=has_answered)

    assert waves == [2, 4]
    assert (report.published, report.reserve, report.kept_up) == (5, 2, True)


def test_a_processor_that_does_not_keep_up_still_gets_something_in_each_run(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    for _ in range(3):
        failed(database)
    age(admin)
    published: list[PilotMessage] = []

    reports = [
        run(database, published, reserve=Reserve(runs=1), has_answered=lambda _: False) for _ in range(3)
    ]

    assert [report.published for report in reports] == [1, 1, 1]
    assert [report.handed_back for report in reports] == [2, 1, 0]
    assert [report.kept_up for report in reports] == [False, False, True]
    assert len({one.message_id for one in published}) == 3


def test_without_cloudwatch_only_what_is_certainly_out_of_lambdas_hands_is_published(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    failed(database)
    old = failed(database)
    unidentified = new_sid()
    admin.execute(
        "INSERT INTO b2b_pilot_user_submissions (message_sid, body) VALUES (%s, 'old')", (unidentified,)
    )
    age(admin)
    admin.execute(
        "UPDATE b2b_pilot_user_submissions SET updated_at = now() - %s WHERE message_id = %s",
        (IN_LAMBDAS_HANDS + timedelta(minutes=1), old.message_id),
    )
    published: list[PilotMessage] = []

    report = run(database, published, reserve=Reserve(runs=10, is_known=False))

    assert {one.message_id for one in published} == {old.message_id, message_id_for(unidentified)}
    assert (report.is_reserve_known, report.backlog) == (False, 3)


def test_without_cloudwatch_what_sns_accepted_already_is_still_abandoned(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    failed(database)
    age(admin)
    run(database, list[PilotMessage]())
    age(admin, minutes=16)

    assert run(database, list[PilotMessage](), reserve=Reserve(runs=1, is_known=False)).abandoned == 1


UNREADABLE: Sequence[tuple[str, str]] = [
    ("priority = 'urgent'", "priority 'urgent' is another version's"),
    ("reply_state = 'queued'", "reply state 'queued' is another version's"),
    ("params = '[1]'", "params is not an object of strings"),
    ("params = '{\"Body\": 1}'", "params is not an object of strings"),
    ("message_id = 'no-uuid'", "message_id 'no-uuid' is not a UUID"),
]


@pytest.mark.parametrize(("change", "why"), UNREADABLE, ids=[change for change, _ in UNREADABLE])
def test_a_row_that_cannot_be_read_stops_no_other_and_is_abandoned_with_its_reason(
    database: DatabaseManager, admin: psycopg.Connection, change: str, why: str
) -> None:
    failed(database)
    admin.execute(f"UPDATE b2b_pilot_user_submissions SET {change}".encode())
    healthy = failed(database)
    age(admin)
    published: list[PilotMessage] = []

    report = run(database, published)

    assert [one.message_id for one in published] == [healthy.message_id]
    assert (report.unreadable, report.abandoned, report.published) == (1, 1, 1)
    (abandoned,) = database.list_submissions(status=SubmissionStatus.ABANDONED)
    assert abandoned.last_error == f"it cannot be published again: {why}"


def test_a_row_whose_id_is_spelled_otherwise_is_published_and_stored_under_the_canonical_one(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    sent = failed(database)
    admin.execute("UPDATE b2b_pilot_user_submissions SET message_id = upper(message_id)")
    age(admin)
    published: list[PilotMessage] = []

    report = run(database, published)
    process(delivery(published[0]), database=database, replier=None, lease=STALE_AFTER)

    assert (report.identified, report.published) == (1, 1)
    assert [one.message_id for one in database.list_submissions()] == [sent.message_id]
    assert database.count_by_status() == {SubmissionStatus.COMPLETED: 1}


def test_a_publish_that_fails_is_reported_and_left_for_a_later_round(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    database.claim(message(), lease=timedelta(minutes=5))
    age(admin)

    report = run_refused(database, PublishFailed("SNS said no"), list[PilotMessage]())

    assert (report.published, report.publish_failed, report.backlog) == (0, 1, 1)


def refusing(error: PilotError, asked: list[PilotMessage]) -> Callable[[PilotMessage], None]:
    """Publish nothing, and note who was asked for."""

    def refuse(sent: PilotMessage) -> None:
        asked.append(sent)
        raise error

    return refuse


def run_refused(database: DatabaseManager, error: PilotError, asked: list[PilotMessage]) -> StaleReport:
    rules = StaleRules(stale_after=STALE_AFTER, reserve=RESERVE)
    return republish_stale(database, refusing(error, asked), rules, has_answered=lambda _: True)


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


@pytest.mark.parametrize(
    "error", [*CERTAIN, PublishFailed("no answer")], ids=lambda error: type(error).__name__
)
def test_a_topic_that_accepts_nothing_for_hours_is_no_reason_to_give_a_message_up(
    database: DatabaseManager, admin: psycopg.Connection, error: PilotError
) -> None:
    sent, asked, published = claimed(database, 3), list[PilotMessage](), list[PilotMessage]()

    for _ in range(10):
        age(admin, minutes=7 * 60)
        report = run_refused(database, error, asked)

    assert (report.claimed, report.publish_failed, report.handed_back, report.abandoned) == (3, 1, 2, 0)
    assert stale_attempts(database, sent) == len(asked) == 10
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


def test_a_message_that_sns_refuses_each_time_holds_up_no_other(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    poison = failed(database)
    others = claimed(database, 3)
    age(admin)
    published: list[str] = []

    def publish(sent: PilotMessage) -> None:
        if sent.message_id == poison.message_id:
            raise PublishFailed("InvalidParameter")
        published.append(sent.message_id)

    rules = StaleRules(stale_after=STALE_AFTER, reserve=RESERVE)
    for _ in range(2):
        republish_stale(database, publish, rules, has_answered=lambda _: True)
        age(admin, minutes=1)

    assert sorted(published) == sorted(one.message_id for one in others)


def test_a_message_that_sns_cannot_take_stops_nobody_else_and_is_abandoned(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    sent, asked = claimed(database, 3), list[PilotMessage]()
    age(admin)

    report = run_refused(database, MessageTooLarge("262,145 bytes"), asked)

    assert (len(asked), report.publish_failed, report.handed_back) == (3, 3, 0)
    assert {row(database, one.message_id).last_error for one in sent} == {
        "it cannot be published again: 262,145 bytes"
    }
    assert database.count_by_status() == {SubmissionStatus.ABANDONED: 3}


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
