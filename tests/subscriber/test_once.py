"""A subscriber's code runs once a message, whatever comes and fails; with a real PostgreSQL."""

from __future__ import annotations

import json
import logging
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from b2bpilot.pipeline.dead_letter import event_for_invoke, read_dead_letter
from b2bpilot.pipeline.lease import LONGEST_LEASE as OF_THE_PROCESSOR
from b2bpilot.pipeline.notification import Addressed, envelope_for, event_for
from b2bpilot.pipeline.outcome import AnswerProof, proof_in
from b2bpilot.subscriber.once import (
    LONGEST_LEASE,
    Body,
    Message,
    NotReadable,
    NotUsable,
    OnceHandler,
    StillInProgress,
    described,
    once,
    read,
)
from tests.events import (
    enveloped_record,
    message,
    ours,
    queue_event,
    queue_record,
    raw_record,
    sns_event,
)
from tests.pipeline.test_data_retention import statement
from tests.pipeline.test_dead_letter import SENT, SHAPES
from tests.subscriber.effects import Rows, insert

REDRIVE = {"redrive": {"run_id": "r1", "attempt": 1, "subscriber": "arn:its-function"}}
ACCEPTED_ONLY = {"redrive": {"run_id": "r1", "attempt": 1, "accepted_only": True}}
Make = Callable[..., OnceHandler]


class Boom(Exception):
    pass


class Context:
    def __init__(self, milliseconds: int) -> None:
        self._milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self._milliseconds


@pytest.fixture
def make(rows: Rows) -> Iterator[Make]:
    """A handler of other code, or of another name; its connection is closed at the end."""
    with ExitStack() as ends:

        def made(body: Body, name: str = "analytics") -> OnceHandler:
            handler = once(name)(body)
            ends.callback(handler.end)
            return handler

        yield made


def then(action: Callable[[psycopg.Connection], object]) -> Body:
    """Code that inserts its effect and does one more thing."""

    def body(message: Message, connection: psycopg.Connection) -> None:
        insert(message, connection)
        action(connection)

    return body


def boom(_: psycopg.Connection) -> None:
    raise Boom("no luck")


def test_a_message_that_comes_twice_has_one_effect(handler: OnceHandler, rows: Rows) -> None:
    sent = message()

    assert handler(sns_event(sent)) == {"outcomes": ["stored"]}
    assert handler(sns_event(sent)) == {"outcomes": ["duplicate"]}
    assert rows.effects(sent) == 1
    assert rows.delivery(sent) == ("completed", 1, False, None)


def test_the_code_sees_the_message(make: Make) -> None:
    seen: list[Message] = []
    sent = message(params={"Body": "a\x00b\ud800 🚚"})

    make(lambda message, _: seen.append(message))(sns_event(sent))

    (found,) = seen
    assert (found.message_id, found.source, found.test) == (sent.message_id, "twilio", False)
    assert found.params == sent.params
    assert found.attributes["message_type"] == "media"
    assert abs((found.received_at - sent.received_at).total_seconds()) < 0.001
    assert (found.text("Body"), found.text("Bodies")) == ("a\ufffdb\ufffd 🚚", None)
    assert "Ana" not in repr(found)


def test_what_the_code_raises_is_rolled_back_written_down_and_raised(make: Make, rows: Rows) -> None:
    sent = message()

    with pytest.raises(Boom):
        make(then(boom))(sns_event(sent))
    assert (rows.effects(sent), rows.delivery(sent)) == (0, ("failed", 1, False, "Boom: no luck"))

    assert make(insert)(sns_event(sent)) == {"outcomes": ["stored"]}
    assert (rows.effects(sent), rows.delivery(sent)) == (1, ("completed", 2, False, None))


def test_two_subscribers_take_the_same_message_each_for_itself(make: Make, rows: Rows) -> None:
    sent = message()

    assert [make(insert, name)(sns_event(sent)) for name in ("analytics", "billing")] == [
        {"outcomes": ["stored"]}
    ] * 2
    assert rows.effects(sent) == 2


def test_code_under_another_name_is_the_same_subscriber(make: Make, rows: Rows) -> None:
    """powertools-lambda-python issue 5897: a key made of the function's name runs everything again after a renaming."""

    def renamed(message: Message, connection: psycopg.Connection) -> None:
        insert(message, connection)

    sent = message()
    make(insert)(sns_event(sent))

    assert make(renamed)(sns_event(sent)) == {"outcomes": ["duplicate"]}
    assert make(renamed).__name__ == "renamed"


@pytest.mark.parametrize("body", [insert, then(boom)], ids=["completed", "failed"])
@pytest.mark.parametrize("is_test", [False, True])
def test_a_test_message_and_a_real_one_of_one_id_do_not_take_each_other(
    make: Make, rows: Rows, body: Body, is_test: bool
) -> None:
    sent = message(test=is_test)
    with suppress(Boom):
        make(body)(sns_event(sent))

    with pytest.raises(NotUsable, match="and its id is that of a"):
        make(insert)(sns_event(replace(sent, test=not is_test)))
    assert rows.effects(sent) == (body is insert)
    assert make(insert)(sns_event(sent))["outcomes"] in (["stored"], ["duplicate"])


def test_an_id_is_the_same_however_it_is_spelled(handler: OnceHandler, rows: Rows) -> None:
    sent = message()
    handler(sns_event(sent))

    again = replace(sent, message_id=sent.message_id.upper())

    assert handler(sns_event(again)) == {"outcomes": ["duplicate"]}


@pytest.mark.parametrize(("shape", "received"), SHAPES)
def test_a_redrive_of_each_kind_of_dead_letter_proves_it_by_the_answer(
    handler: OnceHandler, rows: Rows, shape: object, received: dict[str, Any]
) -> None:
    event = event_for_invoke(ours(read_dead_letter(received)), run_id="r1", subscriber="arn:its-function")

    assert proof_in(handler(event)) is AnswerProof.COMPLETED
    assert proof_in(handler(event)) is AnswerProof.COMPLETED
    assert rows.effects(SENT) == 1


@pytest.mark.parametrize("wrap", [enveloped_record, raw_record])
def test_a_batch_of_sqs_fails_by_the_record(make: Make, rows: Rows, wrap: Callable[..., Any]) -> None:
    good, bad, other = message(), message(), message(params={"Body": "bad"})
    records = [wrap(good), queue_record("no message"), wrap(other), wrap(good), wrap(bad)]

    def body(message: Message, connection: psycopg.Connection) -> None:
        insert(message, connection)
        if message.params["Body"] == "bad":
            raise Boom

    answer = make(body)(queue_event(*records))

    assert answer["outcomes"] == ["stored", "failed", "failed", "duplicate", "stored"]
    assert answer["batchItemFailures"] == [
        {"itemIdentifier": records[number]["messageId"]} for number in (1, 2)
    ]
    assert [rows.effects(one) for one in (good, bad, other)] == [1, 1, 0]


def test_of_several_records_of_sns_one_that_fails_keeps_no_other_from_its_turn(
    make: Make, rows: Rows
) -> None:
    first, second = message(params={"Body": "bad"}), message()

    def body(message: Message, connection: psycopg.Connection) -> None:
        insert(message, connection)
        if message.params["Body"] == "bad":
            raise Boom

    with pytest.raises(Boom):
        make(body)({"Records": [*sns_event(first)["Records"], *sns_event(second)["Records"]]})
    assert (rows.effects(first), rows.effects(second)) == (0, 1)


@pytest.fixture
def leased(make: Make, rows: Rows) -> Any:
    """A message that a run which died has claimed a moment ago."""
    sent = message()
    with pytest.raises(SystemExit):
        make(then(lambda _: sys.exit(1)))(sns_event(sent))
    assert rows.delivery(sent) == ("processing", 1, True, None)
    return sent


def test_a_message_in_another_run_s_hands_is_told_to_who_waits_for_the_answer(
    handler: OnceHandler, leased: Any
) -> None:
    answer = handler(sns_event(leased, **REDRIVE))

    assert answer == {"outcomes": ["in_progress"]}
    assert proof_in(answer) is AnswerProof.IN_PROGRESS


@pytest.mark.parametrize("beside", [{}, ACCEPTED_ONLY], ids=["from SNS", "a redrive that does not wait"])
def test_success_would_delete_what_may_be_the_last_copy_of_a_leased_message(
    handler: OnceHandler, leased: Any, beside: dict[str, Any]
) -> None:
    with pytest.raises(StillInProgress):
        handler(sns_event(leased, **beside))

    in_a_batch = enveloped_record(leased)
    assert handler(queue_event(in_a_batch)) == {
        "batchItemFailures": [{"itemIdentifier": in_a_batch["messageId"]}],
        "outcomes": ["in_progress"],
    }


def test_a_lease_is_over_before_lambda_s_first_retry() -> None:
    assert LONGEST_LEASE == OF_THE_PROCESSOR


@pytest.mark.parametrize(("milliseconds", "seconds"), [(900_000, 50), (20_000, 20)])
def test_a_lease_lasts_as_long_as_the_run_may_and_no_longer(
    make: Make, rows: Rows, milliseconds: int, seconds: int
) -> None:
    sent = message()
    found: list[Any] = []
    query = "SELECT extract(epoch FROM lease_expires_at - updated_at) FROM b2b_pilot_deliveries WHERE message_id = %s"

    make(lambda message, _: found.append(rows.execute(query, [message.message_id]).fetchone()))(
        sns_event(sent), Context(milliseconds)
    )

    assert found == [(seconds,)]


def test_the_server_ends_a_statement_that_outlives_the_run(make: Make, rows: Rows) -> None:
    sent = message()

    with pytest.raises(psycopg.errors.QueryCanceled):
        make(then(lambda connection: connection.execute("SELECT pg_sleep(60)")))(
            sns_event(sent), Context(600)
        )

    assert rows.delivery(sent) == (
        *("failed", 1, False),
        "QueryCanceled: canceling statement due to statement timeout",
    )


@pytest.mark.parametrize("milliseconds", [1, 100, 700, 60_000])
def test_no_statement_outlasts_the_run_and_each_has_a_limit(
    make: Make, rows: Rows, milliseconds: int
) -> None:
    """Of so short a run the server may end the statement, or the session between two of them: no OperationalError to psycopg."""
    found: list[Any] = []
    limit = "SELECT extract(epoch FROM current_setting('statement_timeout')::interval) * 1000"
    handler = make(then(lambda connection: found.append(connection.execute(limit).fetchone())))
    sent = message()
    with suppress(psycopg.OperationalError, psycopg.errors.IdleInTransactionSessionTimeout):
        handler(sns_event(sent), Context(milliseconds))

    assert milliseconds == 1 or [0 < one < milliseconds for (one,) in found] == [True]
    assert (rows.delivery(sent) or ())[0] in (
        ("completed", "failed") if milliseconds == 1 else ("completed",)
    )


@pytest.mark.parametrize("wrap", [enveloped_record, raw_record])
def test_a_record_of_a_batch_is_not_begun_with_less_than_a_lease_left(
    make: Make, rows: Rows, caplog: pytest.LogCaptureFixture, wrap: Callable[..., Any]
) -> None:
    """Its code would be killed in the middle. The first one has what there is: the next run would have no more."""
    sent = [message() for _ in range(3)]
    records = [wrap(one) for one in sent]
    context = Context(100)

    answer = make(insert)(queue_event(*records), context)

    assert answer == {
        "batchItemFailures": [{"itemIdentifier": one["messageId"]} for one in records[1:]],
        "outcomes": ["stored", "failed", "failed"],
    }
    assert [rows.delivery(one) is None for one in sent] == [False, True, True]
    warned = [vars(line) for line in caplog.records if line.levelno == logging.WARNING]
    assert [(line["event"], line["message_id"]) for line in warned] == [
        ("not_begun", one.message_id) for one in sent[1:]
    ]
    assert make(insert)(queue_event(*records), Context(50_000))["outcomes"] == [
        "duplicate",
        "stored",
        "stored",
    ]


def test_a_message_that_hangs_leaves_the_others_unclaimed(make: Make, rows: Rows) -> None:
    hangs, sound = message(params={"Body": "hangs"}), message()
    context = Context(60_000)

    def body(message: Message, connection: psycopg.Connection) -> None:
        insert(message, connection)
        context._milliseconds = 400

    answer = make(body)(queue_event(raw_record(hangs), raw_record(sound)), context)

    assert answer["outcomes"] == ["stored", "failed"]
    assert (rows.effects(sound), rows.delivery(sound)) == (0, None)


def test_a_stricter_limit_of_the_role_s_stays(make: Make, rows: Rows) -> None:
    found: list[Any] = []
    limits = (
        "SELECT current_setting('statement_timeout'), current_setting('idle_in_transaction_session_timeout')"
    )
    rows.execute("ALTER ROLE CURRENT_USER SET statement_timeout = '3s'")
    try:
        body = then(lambda connection: found.append(connection.execute(limits).fetchone()))
        make(body)(sns_event(message()), Context(20_500))
    finally:
        rows.execute("ALTER ROLE CURRENT_USER RESET statement_timeout")

    assert found == [("3s", "20s")]


def swallow(connection: psycopg.Connection) -> None:
    with suppress(psycopg.Error):
        connection.execute("SELECT 1 / 0")


def roll_back(_: psycopg.Connection) -> None:
    raise psycopg.Rollback


ENDED = "ended its transaction itself"
MISTAKES: dict[str, tuple[Callable[[psycopg.Connection], object], type[Exception], str]] = {
    "commit": (lambda connection: connection.commit(), psycopg.ProgrammingError, "Explicit commit"),
    "rollback": (lambda connection: connection.rollback(), psycopg.ProgrammingError, "Explicit rollback"),
    "commit in SQL": (lambda connection: connection.execute("COMMIT"), NotUsable, ENDED),
    "rollback in SQL": (lambda connection: connection.execute("ROLLBACK"), NotUsable, ENDED),
    "commit and chain": (lambda connection: connection.execute("COMMIT AND CHAIN"), NotUsable, ENDED),
    "another transaction": (lambda connection: connection.execute("COMMIT; BEGIN"), NotUsable, ENDED),
    "a swallowed error": (
        swallow,
        NotUsable,
        "went on after a statement failed",
    ),
    "a rollback of psycopg's": (roll_back, NotUsable, "rolled its transaction back"),
    "close": (lambda connection: connection.close(), psycopg.OperationalError, "the connection is closed"),
}


@pytest.mark.parametrize(("mistake", "kind", "text"), MISTAKES.values(), ids=MISTAKES)
def test_a_transaction_that_the_code_ends_itself_completes_nothing(
    make: Make, rows: Rows, mistake: Any, kind: type[Exception], text: str
) -> None:
    sent = message()

    with pytest.raises(kind, match=text):
        make(then(mistake))(sns_event(sent))

    status, _, has_lease, error = rows.delivery(sent) or ()
    assert (status, has_lease) == ("failed", False)
    assert text in error


def test_what_the_code_leaves_of_its_connection_does_not_reach_the_next_message(
    make: Make, rows: Rows
) -> None:
    """A transaction that stays open would take the next claims with it, uncommitted."""
    first, second = message(), message()

    def spoil(connection: psycopg.Connection) -> None:
        connection.execute("COMMIT")
        connection.autocommit = False
        connection.execute("SELECT 1")

    def body(message: Message, connection: psycopg.Connection) -> None:
        connection.row_factory = dict_row  # type: ignore[assignment]  # as code might
        if message.message_id == first.message_id:
            spoil(connection)
        insert(message, connection)

    handler = make(body)
    with pytest.raises(NotUsable):
        handler(sns_event(first))
    assert handler(sns_event(second)) == {"outcomes": ["stored"]}
    assert handler(sns_event(second)) == {"outcomes": ["duplicate"]}
    assert rows.effects(second) == 1


def test_a_part_that_may_fail_has_a_transaction_of_its_own(make: Make, rows: Rows) -> None:
    sent = message()

    def body(message: Message, connection: psycopg.Connection) -> None:
        insert(message, connection)
        with suppress(Boom), connection.transaction():
            insert(message, connection)
            boom(connection)

    assert make(body)(sns_event(sent)) == {"outcomes": ["stored"]}
    assert rows.effects(sent) == 1


async def coroutine(message: Message, connection: psycopg.Connection) -> None: ...


def generator(message: Message, connection: psycopg.Connection) -> Iterator[None]:
    yield


@pytest.mark.parametrize("body", [coroutine, generator])
def test_code_that_would_not_run_is_refused_at_once(body: Body) -> None:
    with pytest.raises(TypeError, match="would not run"):
        once("analytics")(body)


@pytest.mark.parametrize("name", ["", "Analytics", "1st", "a_b", "-a", "a" * 32, "a\n", "ä"])
def test_a_name_that_no_subscriber_has_is_refused_at_once(name: str) -> None:
    with pytest.raises(ValueError, match="is no name of a subscriber"):
        once(name)


def test_a_decorator_without_a_name_says_what_it_needs() -> None:
    with pytest.raises(TypeError, match="needs the name of the subscriber"):
        once(insert)  # type: ignore[arg-type]  # as code might


def test_a_connection_that_was_lost_between_two_messages_is_opened_again(
    handler: OnceHandler, rows: Rows
) -> None:
    first, second = message(), message()
    handler(sns_event(first))
    ended = rows.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'analytics/once'"
    )
    assert ended.fetchall() == [(True,)]

    assert handler(sns_event(second)) == {"outcomes": ["stored"]}
    assert rows.effects(second) == 1


def test_a_connection_that_is_lost_in_the_code_fails_the_message_and_the_row_says_so(
    make: Make, rows: Rows
) -> None:
    sent = message()
    own = "SELECT pg_terminate_backend(pg_backend_pid())"

    with pytest.raises(psycopg.OperationalError):
        make(then(lambda connection: connection.execute(own)))(sns_event(sent))

    status, _, has_lease, error = rows.delivery(sent) or ()
    assert (status, has_lease) == ("failed", False)
    assert error.startswith("AdminShutdown: ")


def test_a_database_that_cannot_be_reached_fails_each_record_of_a_batch(
    make: Make, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/none")
    records = [raw_record(message()), raw_record(message())]

    answer = make(insert)(queue_event(*records))

    assert answer["batchItemFailures"] == [{"itemIdentifier": one["messageId"]} for one in records]


def test_a_table_that_is_not_there_fails_the_message(
    make: Make, rows: Rows, subscribers_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = make_conninfo(subscribers_url, options="-csearch_path=pg_catalog")
    monkeypatch.setenv("DATABASE_URL", elsewhere)

    with pytest.raises(psycopg.errors.UndefinedTable, match="b2b_pilot_deliveries"):
        make(insert)(sns_event(message()))


def test_a_row_that_is_not_seen_is_no_success(make: Make, rows: Rows) -> None:
    """A trigger that drops the INSERT: nothing was written, and nobody else has the message."""
    quiet = "CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
    rows.execute(quiet)
    rows.execute(
        "CREATE TRIGGER quiet BEFORE INSERT ON b2b_pilot_deliveries FOR EACH ROW EXECUTE FUNCTION quiet()"
    )
    try:
        with pytest.raises(NotUsable, match="row security, or a trigger"):
            make(insert)(sns_event(message()))
    finally:
        rows.execute("DROP FUNCTION quiet CASCADE")


def test_an_event_of_something_else_is_refused(handler: OnceHandler) -> None:
    for event in ({}, {"Records": []}, {"Records": ["x"]}, {"version": "2.0"}, []):
        with pytest.raises(NotReadable):
            handler(event)  # type: ignore[arg-type]  # as anybody may send


def test_each_line_names_the_message_and_the_subscriber_and_nothing_of_what_was_said(
    make: Make, rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    sent = message(params={"Body": "call me, please\nat once"})

    def body(message: Message, connection: psycopg.Connection) -> None:
        body = message.params["Body"]
        raise Boom(f"{message.params['From']} said {body!r}; and 0049 1234567; {body}")

    handler = make(body)
    with caplog.at_level(logging.INFO, logger="b2bpilot.subscriber.once"):
        with pytest.raises(Boom):
            handler(sns_event(sent))
        handler.body = insert
        for _ in range(2):
            handler(sns_event(sent))
        handler(queue_event(queue_record("call me, please")))

    lines = [vars(line) for line in caplog.records if line.name == "b2bpilot.subscriber.once"]
    assert [line["event"] for line in lines] == ["failed", "stored", "duplicate", "unreadable"]
    assert {line["subscriber"] for line in lines} == {"analytics"}
    assert [line.get("message_id") for line in lines] == [sent.message_id] * 3 + [None]
    assert lines[0]["error"] == "Boom: *** said '***'; and 0049 ***; ***"
    assert any(frame.endswith(" body") for frame in lines[0]["at"])
    written = json.dumps([lines, rows.delivery(sent)], default=str)
    assert not [said for said in ("call me", "at once", "5005550006", "1234567") if said in written]


@pytest.mark.parametrize(
    ("said", "error", "shown"),
    [
        (
            "commit",
            "Explicit commit() forbidden; it is committed",
            "Explicit ***() forbidden; it is committed",
        ),
        ("exc here", "no such customer: exc here", "no such customer: ***"),
        ("call (now)", "said call (now)!", "said ***!"),
        ("deliver to the back", "please_deliver to the backs", "please_***s"),
        ("no", "no customer", "no customer"),
        ("5", "5 rows", "5 rows"),
    ],
)
def test_what_was_said_is_masked_where_it_stands_as_words(said: str, error: str, shown: str) -> None:
    of = read(sns_event(message(params={"Body": said}))["Records"][0])

    assert described(ValueError(error), of) == f"ValueError: {shown}"


SENT_AGAIN = message()
TO_US = Addressed(
    topic_arn="arn:aws:sns:eu-west-1:123456789012:t",
    subscription_arn="arn:aws:sns:eu-west-1:123456789012:t:1",
    run_id="b1",
)


def attribute(name: str) -> dict[str, Any]:
    return {"messageAttributes": {name: {"dataType": "String", "stringValue": "r1"}}}


@pytest.mark.parametrize(
    ("event", "ids"),
    [
        (sns_event(SENT_AGAIN), (None, None)),
        (sns_event(SENT_AGAIN, **REDRIVE), ("r1", None)),
        (queue_event({**enveloped_record(SENT_AGAIN), **attribute("redrive_run_id")}), ("r1", None)),
        (queue_event({**enveloped_record(SENT_AGAIN), **attribute("odd")}), (None, None)),
        ({**sns_event(SENT_AGAIN), "redrive": {"run_id": "x" * 101}}, (None, None)),
        (event_for(SENT_AGAIN, TO_US), (None, "b1")),
        (queue_event(queue_record(envelope_for(SENT_AGAIN, TO_US))), (None, "b1")),
        (queue_event({**raw_record(SENT_AGAIN), **attribute("backfill_run_id")}), (None, "r1")),
        ({**event_for(SENT_AGAIN, TO_US), **REDRIVE}, ("r1", "b1")),
    ],
)
def test_each_line_names_the_run_that_sent_the_message_again(
    make: Make, caplog: pytest.LogCaptureFixture, event: dict[str, Any], ids: tuple[str | None, ...]
) -> None:
    handler = make(then(boom), f"s{uuid.uuid4().hex[:8]}")
    with caplog.at_level(logging.INFO, logger="b2bpilot.subscriber.once"):
        with suppress(Boom):
            handler(event)
        handler.body = insert
        handler(event)
        handler(event)

    lines = [vars(line) for line in caplog.records if line.name == "b2bpilot.subscriber.once"]
    assert [line["event"] for line in lines] == ["failed", "stored", "duplicate"]
    assert {(line.get("redrive_run_id"), line.get("backfill_run_id")) for line in lines} == {ids}


def test_the_documented_retention_job_removes_old_completed_rows_only(
    handler: OnceHandler, rows: Rows
) -> None:
    old, new = message(), message()
    for sent in (old, new):
        handler(sns_event(sent))
    age = "UPDATE b2b_pilot_deliveries SET updated_at = now() - interval '46 days' WHERE message_id = %s"
    rows.execute(age, [old.message_id])

    assert rows.execute(statement("subscriber").encode()).rowcount == 1
    assert handler(sns_event(new)) == {"outcomes": ["duplicate"]}
