"""Publishing rows again that wait for a person: on real PostgreSQL, with the processor's own code behind the topic."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from b2bpilot.aws.topic import Published
from b2bpilot.errors import AwsDenied, DatabaseError, MessageInvalid, PartlyFailed, PublishFailed, Refused
from b2bpilot.ops.republish import run
from b2bpilot.ops.republish.plan import RowDecision, plan, require_proven, require_something
from b2bpilot.ops.republish.run import Republication, Republished, require_all_completed
from b2bpilot.ops.runs.journal import Journal
from b2bpilot.ops.runs.record import RunRecord, read
from b2bpilot.ops.table.asked import KnownTable
from b2bpilot.ops.table.database_proof import DatabaseProof
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.message import Encoded, PilotMessage, decode
from b2bpilot.pipeline.models import ReplyState, SubmissionStatus
from b2bpilot.pipeline.processing import process
from tests.events import delivery, message
from tests.ops.table.databases import PROVEN

LEASE = timedelta(seconds=50)
RUN = "20261130T010000Z-discard-0a1b"
NONE = timedelta(0)
TABLE = "b2b_pilot_user_submissions"


class Topic:
    """Hands each message to the processor at once; `refuse` decides what SNS does not take."""

    def __init__(self, database: DatabaseManager) -> None:
        self._database = database
        self.taken: list[PilotMessage] = []
        self.refuse: Callable[[PilotMessage], Published | None] = lambda _: None
        self.delivers = True

    def publish_batch(self, messages: Sequence[Encoded]) -> list[Published]:
        return [self._publish(one) for one in messages]

    def _publish(self, encoded: Encoded) -> Published:
        values = {name: value["StringValue"] for name, value in encoded.attributes.items()}
        sent = decode(encoded.body, values)
        if refused := self.refuse(sent):
            return refused
        self.taken.append(sent)
        if self.delivers:
            with suppress(MessageInvalid):
                process(delivery(sent), database=self._database, replier=None, lease=LEASE)
        return Published(sns_message_id=f"sns-{len(self.taken)}")


@pytest.fixture
def topic(database: DatabaseManager) -> Topic:
    return Topic(database)


def abandoned(database: DatabaseManager, **params: str) -> str:
    sent = message(params=params)
    database.claim(sent, lease=NONE)
    database.abandon(sent.message_id, "published again once, and not completed since: the CRM is down")
    return sent.message_id


def journal(home: Path) -> Journal:
    return Journal.create(
        home,
        command=run.COMMAND,
        environment="staging",
        account_id="123456789012",
        region="us-east-1",
        operator="ana",
        reason=None,
        parameters={},
    )


def republish(
    database: DatabaseManager, topic: Topic, home: Path, *, discarded: bool = False, wait: timedelta = NONE
) -> tuple[Republished, RunRecord]:
    found = plan(database.list_submissions(limit=1_000), now=database.now(), discarded=discarded)
    with journal(home) as store:
        run.write_plan(store, found)
        republication = Republication(
            table=KnownTable(database, PROVEN), publisher=topic, journal=store, wait=wait, discarded=discarded
        )
        done = republication.run([one.message_id for one in found.to_send], Republished())
        store.finish(done.counts())
    (path,) = (home / "runs").glob("*.jsonl")
    return done, read(path)


def status(database: DatabaseManager, message_id: str) -> object:
    row = database.get_submission_by_message_id(message_id)
    assert row is not None
    return row.status


def test_an_abandoned_row_is_published_again_and_proven_by_its_row(
    database: DatabaseManager, topic: Topic, tmp_path: Path
) -> None:
    message_id = abandoned(database)

    done, record = republish(database, topic, tmp_path)

    row = database.get_submission_by_message_id(message_id)
    assert row is not None
    assert (row.status, row.attempts) == (SubmissionStatus.COMPLETED, 2)
    assert row.republished_at is not None
    assert done.counts() == {"accepted": 1, "unknown": 0, "completed": 1, "not_proven": 0, "left": 0}
    state = record.messages[message_id]
    assert (state.stage.value, state.fate) == ("accepted", "completed")
    require_all_completed(done, record.run_id)


def test_completed_leased_and_discarded_rows_are_left_alone_and_say_why(
    database: DatabaseManager, admin: psycopg.Connection, topic: Topic, tmp_path: Path
) -> None:
    completed, leased = message(), message()
    process(delivery(completed), database=database, replier=None, lease=LEASE)
    database.claim(leased, lease=LEASE)
    discarded = abandoned(database)
    admin.execute(
        "UPDATE b2b_pilot_user_submissions SET discarded_by = %s WHERE message_id = %s", (RUN, discarded)
    )
    admin.execute("INSERT INTO b2b_pilot_user_submissions (message_sid, status) VALUES ('SM0', 'abandoned')")
    abandoned(database)
    admin.execute(
        "UPDATE b2b_pilot_user_submissions SET params = '[1]' WHERE id = (SELECT max(id) FROM b2b_pilot_user_submissions)"
    )

    found = plan(database.list_submissions(), now=database.now(), discarded=False)

    reasons = {one.decision: one.why for one in found.items}
    assert found.to_send == []
    assert reasons.keys() == set(RowDecision) - {RowDecision.SEND}
    assert reasons[RowDecision.COMPLETED] == "it is completed"
    assert "until" in str(reasons[RowDecision.LEASED])
    assert reasons[RowDecision.DISCARDED] == f"a person discarded it in run {RUN}"
    with pytest.raises(Refused, match="Nothing was published"):
        require_something(found)


def test_a_discarded_message_is_stored_only_when_that_is_asked_for(
    database: DatabaseManager, admin: psycopg.Connection, topic: Topic, tmp_path: Path
) -> None:
    message_id = abandoned(database)
    admin.execute("UPDATE b2b_pilot_user_submissions SET discarded_by = %s", (RUN,))

    done, _ = republish(database, topic, tmp_path, discarded=True)

    row = database.get_submission_by_message_id(message_id)
    assert row is not None
    assert (done.completed, row.status, row.discarded_by) == (1, SubmissionStatus.COMPLETED, None)


def test_what_was_discarded_after_the_plan_is_not_published(
    database: DatabaseManager, admin: psycopg.Connection, topic: Topic, tmp_path: Path
) -> None:
    message_id = abandoned(database)
    admin.execute("UPDATE b2b_pilot_user_submissions SET discarded_by = %s", (RUN,))
    with journal(tmp_path) as store:
        republication = Republication(
            table=KnownTable(database, PROVEN), publisher=topic, journal=store, wait=NONE
        )
        done = republication.run([message_id], Republished())

    assert topic.taken == []
    assert [one.reason for one in done.problems] == [f"not published: a person discarded it in run {RUN}"]


def test_a_message_that_fails_again_is_a_problem_with_its_error(
    database: DatabaseManager, topic: Topic, tmp_path: Path
) -> None:
    abandoned(database, NumMedia="two")

    done, record = republish(database, topic, tmp_path)

    assert [one.reason for one in done.problems] == [
        "published, and its run failed: NumMedia is 'two', not a count"
    ]
    with pytest.raises(PartlyFailed, match="1 message is not proven to be completed"):
        require_all_completed(done, record.run_id)


def test_when_none_of_the_first_few_is_completed_no_more_are_published(
    database: DatabaseManager, topic: Topic, tmp_path: Path
) -> None:
    for _ in range(run.FIRST_WINDOW + 3):
        abandoned(database, NumMedia="two")

    done, record = republish(database, topic, tmp_path)

    assert (len(topic.taken), done.left) == (run.FIRST_WINDOW, 3)
    with pytest.raises(PartlyFailed, match="so 3 more were not published"):
        require_all_completed(done, record.run_id)


@pytest.mark.parametrize("is_unknown", [False, True])
def test_what_sns_does_not_accept_stays_as_it_is(
    database: DatabaseManager, topic: Topic, tmp_path: Path, *, is_unknown: bool
) -> None:
    message_id = abandoned(database)
    topic.refuse = lambda _: Published(error=PublishFailed("SNS said no", is_unknown=is_unknown))

    done, record = republish(database, topic, tmp_path)

    assert status(database, message_id) is SubmissionStatus.ABANDONED
    verb, stage = ("perhaps published", "unknown") if is_unknown else ("not published", "failed")
    assert [one.reason for one in done.problems] == [f"{verb}: SNS said no"]
    assert record.messages[message_id].stage.value == stage


def test_a_topic_that_denies_everybody_ends_the_run_with_a_journal_to_go_on_from(
    database: DatabaseManager, topic: Topic, tmp_path: Path
) -> None:
    first, second = abandoned(database), abandoned(database)
    topic.refuse = lambda _: Published(error=AwsDenied("AWS denied sns:Publish"))

    with pytest.raises(AwsDenied):
        republish(database, topic, tmp_path)

    topic.refuse = lambda _: None
    done = resumed(database, topic, tmp_path)
    assert done.counts() == {
        "accepted": 2,
        "unknown": 0,
        "completed": 2,
        "not_proven": 0,
        "left": 0,
    }
    assert {status(database, first), status(database, second)} == {SubmissionStatus.COMPLETED}


def test_a_database_that_lets_no_row_be_taken_ends_the_run_before_anything_is_published(
    database: DatabaseManager, admin: psycopg.Connection, database_url: str, topic: Topic, tmp_path: Path
) -> None:
    first = abandoned(database)
    reader = f"reader_{uuid.uuid4().hex[:8]}"
    admin.execute(f"CREATE ROLE {reader} LOGIN")
    admin.execute(f"GRANT SELECT ON b2b_pilot_user_submissions TO {reader}")
    with (
        DatabaseManager(make_conninfo(database_url, user=reader)) as reading,
        pytest.raises(DatabaseError, match="permission denied"),
    ):
        republish(reading, topic, tmp_path)
    admin.execute(f"DROP OWNED BY {reader}")
    admin.execute(f"DROP ROLE {reader}")

    (path,) = (tmp_path / "runs").glob("*.jsonl")
    assert topic.taken == []
    assert [(one.stage.value, one.error) for one in read(path).messages.values()] == [
        ("failed", f"not published: PostgreSQL refused a statement: permission denied for table {TABLE}")
    ]
    assert resumed(database, topic, tmp_path).completed == 1
    assert status(database, first) is SubmissionStatus.COMPLETED


def resumed(database: DatabaseManager, topic: Topic, home: Path) -> Republished:
    (path,) = (home / "runs").glob("*.jsonl")
    record = read(path)
    with Journal.reopen(path, operator="ana") as store:
        return run.resume(
            Republication(table=KnownTable(database, PROVEN), publisher=topic, journal=store, wait=NONE),
            record,
        )


class Killed(BaseException):
    pass


@pytest.mark.parametrize("dies_in", ["take_for_republication", "note_republished", "progress_of"])
def test_a_run_that_is_killed_anywhere_is_resumed_and_each_message_is_stored_once(
    database: DatabaseManager,
    topic: Topic,
    tmp_path: Path,
    dies_in: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = {abandoned(database) for _ in range(3)}

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(database, dies_in, die)
        with pytest.raises(Killed):
            republish(database, topic, tmp_path)

    done = resumed(database, topic, tmp_path)

    assert done.completed == 3
    assert {status(database, message_id) for message_id in ids} == {SubmissionStatus.COMPLETED}
    assert done.problems == []


def test_a_message_that_another_delivery_completed_meanwhile_is_not_published(
    database: DatabaseManager, topic: Topic, tmp_path: Path
) -> None:
    sent = message()
    database.claim(sent, lease=NONE)
    database.abandon(sent.message_id, "given up")
    with journal(tmp_path) as store:
        republication = Republication(
            table=KnownTable(database, PROVEN), publisher=topic, journal=store, wait=NONE
        )
        process(delivery(sent), database=database, replier=None, lease=LEASE)
        done = republication.run([sent.message_id], Republished())

    assert (topic.taken, done.completed, done.problems) == ([], 1, [])


def test_a_row_of_another_version_is_published_as_far_as_this_one_can(
    database: DatabaseManager, admin: psycopg.Connection, topic: Topic, tmp_path: Path
) -> None:
    message_id = abandoned(database)
    admin.execute(
        "UPDATE b2b_pilot_user_submissions SET status = 'parked', priority = 'urgent', reply_state = 'queued'"
    )
    found = plan(database.list_submissions(), now=database.now(), discarded=False)
    assert found.unknown_priorities == {"urgent": 1}

    republish(database, topic, tmp_path)

    row = database.get_submission_by_message_id(message_id)
    assert row is not None
    assert (row.status, row.reply_state, row.priority) == (SubmissionStatus.COMPLETED, "queued", "normal")


def test_a_row_that_is_spelled_otherwise_is_published_under_its_canonical_id(
    database: DatabaseManager, admin: psycopg.Connection, topic: Topic, tmp_path: Path
) -> None:
    message_id = abandoned(database)
    admin.execute("UPDATE b2b_pilot_user_submissions SET message_id = upper(message_id)")

    done, _ = republish(database, topic, tmp_path)

    assert [one.message_id for one in topic.taken] == [message_id]
    assert (done.completed, len(database.list_submissions())) == (1, 1)


def test_the_plan_counts_replies_that_were_begun_and_those_nobody_knows_of(
    database: DatabaseManager, admin: psycopg.Connection
) -> None:
    states: Mapping[str, ReplyState | None] = {
        abandoned(database): ReplyState.SENT,
        abandoned(database): ReplyState.SENDING,
        abandoned(database): None,
    }
    for message_id, state in states.items():
        admin.execute(
            "UPDATE b2b_pilot_user_submissions SET reply_state = %s WHERE message_id = %s",
            (state, message_id),
        )

    found = plan(database.list_submissions(), now=database.now(), discarded=False)

    assert (len(found.to_send), found.replies_begun, found.replies_unknown) == (3, 2, 1)


def test_rows_of_a_database_that_is_not_proven_are_not_published() -> None:
    proof = DatabaseProof(
        place="copy at db:5432", origin="--database-url", is_proven=False, why="another address"
    )

    with pytest.raises(Refused, match="Its rows may be another environment's messages"):
        require_proven(proof)


def test_the_stale_processor_leaves_alone_what_was_published_here(
    database: DatabaseManager, topic: Topic, tmp_path: Path
) -> None:
    message_id = abandoned(database)
    topic.delivers = False

    republish(database, topic, tmp_path)

    with database.connection.use() as connection:
        row = connection.execute(
            "SELECT next_stale_at > now() + interval '14 minutes', republished_at IS NOT NULL"
            " FROM b2b_pilot_user_submissions WHERE message_id = %s",
            (message_id,),
        ).fetchone()
    assert row == (True, True)
