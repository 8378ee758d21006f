"""Run a subscriber's code once for each message, however often the message comes.

    from once import Message, once

    @once("analytics")
    def handler(message: Message, connection: psycopg.Connection) -> None:
        connection.execute("INSERT INTO visits (message_id, body) VALUES (%s, %s)", [message.message_id, message.text("Body")])

`handler` is what Lambda calls then. It reads an event of SNS, a batch of SQS (an envelope of SNS in it, or raw delivery)
and the event of a redrive. For each message it claims (subscriber, message_id) in the table `b2b_pilot_deliveries`, runs
your code in a transaction, and marks the message completed in the same transaction.

Effects in that database happen exactly once: they are committed together with the mark, or not at all. Effects elsewhere
(a call, an e-mail, an object in S3) happen at least once: a run may die after them and before the commit. Give such a call
`message.message_id` as its idempotency key, or write down in the transaction what is to be done, and do it from there.

What your code raises is rolled back, written to the row and raised: Lambda tries again, twice, and writes a dead letter
then; SQS gives the message again until its queue's maxReceiveCount. Put no text of a message into an exception: Lambda logs
it. Do not commit or roll back: `connection.commit()` raises, and a COMMIT in SQL is found before the message is marked; for a
part that may fail use `with connection.transaction():`.

The name in `@once` is part of the key, and is written by hand: a function that is renamed or moved keeps its messages. A key
made of the function's name runs each of them again after that (powertools-lambda-python issue 5897). One name, one
handler: two that share it each take messages from the other. Changing the name means a new subscriber.

The database is DATABASE_URL, or what the secret DATABASE_SECRET_ARN says: a field DATABASE_URL, or username and password as
RDS writes them, with host, port and dbname there or in DATABASE_HOST, DATABASE_PORT and DATABASE_NAME. A URL that says
sslmode=verify-full believes the CAs in rds.pem beside this file, unless it names others with sslrootcert. The table comes from
`b2bpilot migrate --only deliveries --database-url URL`. Behind an SQS queue the event source mapping needs
ReportBatchItemFailures: without it SQS deletes what failed.

This file is b2bpilot's, and needs psycopg and nothing else. Do not edit it: a newer version replaces it. From top to bottom:
the statements; `once` and OnceHandler, a record's way from its event to its outcome; Database, the deliveries over one
connection; then functions that read an event, measure the time that is left, describe an error and open a connection.
"""

from __future__ import annotations

import functools
import inspect
import json
import logging
import os
import re
import threading
import traceback
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, LiteralString, Protocol

if TYPE_CHECKING:
    import psycopg

logger = logging.getLogger(__name__)

NAME: Final = re.compile("[a-z][a-z0-9-]{0,30}")
SCHEMA: Final = 1
LONGEST_LEASE: Final = timedelta(seconds=50)
"""Over before Lambda's first retry, after 60 seconds: the retry takes over a run that died without a word."""
LONGEST_RUN: Final = timedelta(minutes=15)
TO_END: Final = timedelta(milliseconds=500)
"""So much of its time a run keeps for writing down that it failed; half of what is left, where that is less."""
NO_TIME: Final = timedelta(milliseconds=1)
"""To PostgreSQL a limit of 0 is none."""
ERROR_LENGTH: Final = 2_000
QUOTABLE: Final = 3
"""A value of a message that is no longer may stand in an error."""
LONGEST_WORD: Final = 12
"""One that is no longer is left where it is only a part of a word: `commit` in `committed`."""
UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
NUMBER: Final = re.compile(r"\d{7,}")
RUN_ID: Final = re.compile("[A-Za-z0-9._:-]{1,100}")

CAS: Final = Path(__file__).with_name("rds.pem")
WAITS: Final[Mapping[str, str]] = {
    "connect_timeout": "5",
    "tcp_user_timeout": "10000",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "target_session_attrs": "read-write",
}
"""What the URL says itself stays as it is."""

CLAIM: Final[LiteralString] = """
    INSERT INTO b2b_pilot_deliveries AS delivery
        (subscriber, message_id, test, status, attempts, lease_expires_at)
    VALUES (%(subscriber)s, %(message_id)s, %(test)s, 'processing', 1, now() + %(lease)s)
    ON CONFLICT (subscriber, message_id) DO UPDATE SET
        status = 'processing',
        attempts = delivery.attempts + 1,
        lease_expires_at = excluded.lease_expires_at,
        updated_at = now()
    WHERE delivery.status <> 'completed'
        AND delivery.test = excluded.test
        AND (delivery.lease_expires_at IS NULL OR delivery.lease_expires_at < now())
    RETURNING attempts
"""
"""The processor's claim: of several at once one wins, and a lease that is over is taken over."""

LOOK: Final[LiteralString] = """
    SELECT status, test FROM b2b_pilot_deliveries
    WHERE subscriber = %(subscriber)s AND message_id = %(message_id)s
"""

LIMIT: Final[LiteralString] = """
    SELECT now(), set_config(
        name,
        CASE
            WHEN current_setting(name)::interval BETWEEN '1 ms' AND %(left)s THEN current_setting(name)
            ELSE %(milliseconds)s
        END,
        true
    )
    FROM (VALUES ('statement_timeout'), ('idle_in_transaction_session_timeout')) AS limits (name)
"""
"""The server ends what outlives the run: a container that vanished leaves no transaction behind that holds locks."""

COMPLETE: Final[LiteralString] = """
    UPDATE b2b_pilot_deliveries
    SET status = 'completed', lease_expires_at = NULL, last_error = NULL, completed_at = clock_timestamp(),
        updated_at = clock_timestamp()
    WHERE subscriber = %(subscriber)s AND message_id = %(message_id)s AND attempts = %(attempts)s
        AND status = 'processing' AND now() = %(began)s
"""
"""A run that outlived its lease finds no row where another took the message: what it did is rolled back. `now()` is the start
of the transaction: another one began when the code ended ours."""

STILL_OURS: Final[LiteralString] = "SELECT now() = %(began)s"

FAIL: Final[LiteralString] = """
    UPDATE b2b_pilot_deliveries
    SET status = 'failed', last_error = %(error)s, lease_expires_at = NULL, updated_at = now()
    WHERE subscriber = %(subscriber)s AND message_id = %(message_id)s AND attempts = %(attempts)s
        AND status = 'processing'
"""

Body = Callable[["Message", "psycopg.Connection"], object]
Values = dict[str, Any]


class NotReadable(ValueError):
    """A record holds no message of b2bpilot's."""


class NotUsable(RuntimeError):
    """The database's settings, the table or the decorated code cannot be used as they are."""


class StillInProgress(RuntimeError):
    """Another run has the message, or one died a moment ago. Raised, so that AWS gives it again after the lease: success
    would delete what may be the last copy."""


class NotBegun(RuntimeError):
    """Less than a lease is left of the run: the code would be killed in the middle. The message comes again."""


class LeaseLost(Exception):
    """Another run took the message over; what this one did is rolled back."""


class RemainingTime(Protocol):
    """The part of Lambda's context that is used here."""

    def get_remaining_time_in_millis(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One business message. `params` are Twilio's parameters, blank ones included; `attributes` what subscriptions filter on.

    `test` tells a message that an operator made from a customer's. `received_at` is when b2bpilot got it, in UTC.
    """

    message_id: str
    source: str
    received_at: datetime
    test: bool
    params: Mapping[str, str] = field(repr=False)
    attributes: Mapping[str, str] = field(repr=False)
    sent_again_by: Mapping[str, str] = field(default_factory=dict)
    """`redrive_run_id` and `backfill_run_id`, where such a run sent it: each of its log lines has them."""

    def text(self, name: str) -> str | None:
        """Return a parameter as PostgreSQL can store it: NUL and lone surrogates, which a message may hold, become U+FFFD."""
        value = self.params.get(name)
        return None if value is None else UNSTORABLE.sub("\ufffd", value)


def once(subscriber: str) -> Callable[[Body], OnceHandler]:
    """Make a Lambda handler of `body(message, connection)` that runs once a message. Raises TypeError and ValueError."""
    if not isinstance(subscriber, str):
        raise TypeError('@once needs the name of the subscriber: @once("analytics")')
    if not NAME.fullmatch(subscriber):
        raise ValueError(f"{subscriber!r} is no name of a subscriber: it must match {NAME.pattern}")
    return functools.partial(OnceHandler, subscriber)


class OnceHandler:
    """What Lambda calls. `body` is the code itself, for its tests; `end()` closes the connection."""

    def __init__(self, subscriber: str, body: Body) -> None:
        if inspect.iscoroutinefunction(body) or inspect.isgeneratorfunction(body):
            raise TypeError(f"{body.__name__} would not run: write it as a plain function")
        functools.update_wrapper(self, body)
        self.subscriber = subscriber
        self.body = body
        self._database = Database(application_name=f"{subscriber}/once")
        self._one_at_a_time = threading.Lock()

    def __call__(
        self, event: Mapping[str, Any], context: RemainingTime | None = None
    ) -> dict[str, list[Any]]:
        """Return `outcomes`, one a record: stored, duplicate or in_progress; for a batch of SQS also `batchItemFailures`.

        Of a record of SNS raise what went wrong. `in_progress` is returned to a redrive that waits for the answer and
        keeps its dead letter until then; anybody else gets StillInProgress.
        """
        found = records(event)
        with self._one_at_a_time:
            results = [
                self._result(record, event, context, is_first=number == 0)
                for number, record in enumerate(found)
            ]
        failed = [result for result in results if isinstance(result, Exception)]
        outcomes = [outcome_of(result) for result in results]
        if is_of_sqs(found[0]):
            identifiers = [
                {"itemIdentifier": record.get("messageId", "")}
                for record, result in zip(found, results, strict=True)
                if not isinstance(result, str)
            ]
            return {"batchItemFailures": identifiers, "outcomes": outcomes}
        if failed:
            raise failed[0]
        return {"outcomes": outcomes}

    def end(self) -> None:
        """Close the connection. Lambda never says when a container ends; tests and the local environment do."""
        self._database.close()

    def _result(
        self,
        record: Mapping[str, Any],
        event: Mapping[str, Any],
        context: RemainingTime | None,
        *,
        is_first: bool,
    ) -> str | Exception:
        """The first record of an event is begun however short the run is: the next one would have no more."""
        message = None
        try:
            message = read(record, event)
            if not is_first and left_to(context) < longest_lease():
                return self._not_begun(message)
            return self._deliver(message, context, is_synchronous=waits_for_the_answer(event))
        except StillInProgress as exc:
            return exc
        except Exception as exc:  # noqa: BLE001  # the records beside it are other messages'
            self._log_failure(exc, message)
            return exc

    def _not_begun(self, message: Message) -> NotBegun:
        logger.warning("Message not begun", extra={**self._facts(message), "event": "not_begun"})
        return NotBegun(f"too little time was left to begin message {message.message_id}")

    def _deliver(self, message: Message, context: RemainingTime | None, *, is_synchronous: bool) -> str:
        key = {"subscriber": self.subscriber, "message_id": message.message_id, "test": message.test}
        attempts = self._database.claim({**key, "lease": min(left_to(context), longest_lease())})
        if attempts is None:
            return self._skipped(message, key, is_synchronous=is_synchronous)
        claim = {**key, "attempts": attempts}
        try:
            self._run(message, claim, left_to(context))
        except LeaseLost:
            return self._skipped(message, key, is_synchronous=is_synchronous)
        except Exception as exc:
            self._record_failure(message, claim, exc)
            raise
        logger.info("Message stored", extra={**self._facts(message), "event": "stored", "attempts": attempts})
        return "stored"

    def _run(self, message: Message, claim: Values, left: timedelta) -> None:
        """Run the code and complete the message in one transaction. Raises LeaseLost, and what the code raised."""
        is_completed = False
        connection = self._database.connection()
        with connection.transaction():
            began = self._database.limit(connection, max(left - TO_END, left / 2, NO_TIME))
            self.body(message, connection)
            self._database.complete(connection, claim, began)
            is_completed = True
        if not is_completed:
            raise NotUsable("the code rolled its transaction back: raise an error to get the message again")

    def _skipped(self, message: Message, key: Values, *, is_synchronous: bool) -> str:
        """Say why there was nothing to claim."""
        row = self._database.look(key)
        if row is None:
            raise NotUsable(
                "a row was written to b2b_pilot_deliveries and is not to be seen: row security, or a trigger"
            )
        status, test = row
        if test is not message.test:
            kind, stored = ("a test", "a real") if message.test else ("no test", "a test")
            raise NotUsable(f"message {message.message_id} is {kind}, and its id is that of {stored} message")
        outcome = "duplicate" if status == "completed" else "in_progress"
        logger.info("Message skipped", extra={**self._facts(message), "event": outcome})
        if outcome == "in_progress" and not is_synchronous:
            raise StillInProgress(
                f"message {message.message_id} is in another run's hands, or one died with it"
            )
        return outcome

    def _record_failure(self, message: Message, claim: Values, exc: Exception) -> None:
        """In a transaction of its own. When the database is what failed, the lease simply runs out."""
        try:
            self._database.fail(claim, described(exc, message))
        except Exception as second:  # noqa: BLE001  # what is raised is why the code failed
            logger.warning(
                "The failure could not be written to the row",
                extra={
                    **self._facts(message),
                    "event": "failure_not_recorded",
                    "error": described(second, message),
                },
            )

    def _log_failure(self, exc: Exception, message: Message | None) -> None:
        """Of a batch nothing is raised, so that Lambda logs no trace: the lines that led there are a field here."""
        frames = traceback.extract_tb(exc.__traceback__)
        logger.error(
            "Handler failed",
            extra={
                **self._facts(message),
                "event": "failed" if message else "unreadable",
                "error": described(exc, message),
                "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
            },
        )

    def _facts(self, message: Message | None = None) -> dict[str, object]:
        found: dict[str, object] = {"subscriber": self.subscriber}
        if message is None:
            return found
        return found | {"message_id": message.message_id, "test": message.test, **message.sent_again_by}


class Database:
    """The deliveries, over one connection that is kept: opened at first use, and again when it was lost."""

    def __init__(self, *, application_name: str) -> None:
        import psycopg  # noqa: F401  # while Lambda starts the function, which has a whole processor then

        self._application_name = application_name
        self._connection: psycopg.Connection | None = None

    def connection(self) -> psycopg.Connection:
        """Return one in autocommit mode. Raises NotUsable, and psycopg's errors."""
        if self._connection is not None and not is_unused(self._connection):
            self.close()
        if self._connection is None:
            self._connection = connect(database_url(), application_name=self._application_name)
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def claim(self, values: Values) -> int | None:
        """Take the lease and return which attempt this is; None when there is nothing to take. Once more on a new connection
        when the old one was lost, or its server takes no writes any more: a claim that was made all the same is in progress."""
        from psycopg import OperationalError
        from psycopg.errors import ReadOnlySqlTransaction

        try:
            row = self._execute(self.connection(), CLAIM, values).fetchone()
        except (OperationalError, ReadOnlySqlTransaction) as exc:
            if not (self._is_lost() or isinstance(exc, ReadOnlySqlTransaction)):
                raise
            self.close()
            row = self._execute(self.connection(), CLAIM, values).fetchone()
        return None if row is None else int(row[0])

    def look(self, key: Values) -> tuple[str, bool] | None:
        return self._execute(self.connection(), LOOK, key).fetchone()

    def limit(self, connection: psycopg.Connection, left: timedelta) -> datetime:
        """Let the server end the transaction after that, and return when it began."""
        milliseconds = str(int(left / timedelta(milliseconds=1)))
        values = {"left": left, "milliseconds": milliseconds}
        began: datetime = self._execute(connection, LIMIT, values).fetchall()[0][0]
        return began

    def complete(self, connection: psycopg.Connection, claim: Values, began: datetime) -> None:
        """Mark the message completed, in the transaction that began then. Raises LeaseLost, and NotUsable when the code has
        ended that one."""
        from psycopg.pq import TransactionStatus

        status = connection.info.transaction_status
        if status is TransactionStatus.INERROR:
            raise NotUsable("the code went on after a statement failed: its transaction is rolled back")
        values = {**claim, "began": began}
        if status is not TransactionStatus.IDLE and self._execute(connection, COMPLETE, values).rowcount == 1:
            return
        if self._execute(connection, STILL_OURS, values).fetchone() == (True,):
            raise LeaseLost
        raise NotUsable("the code ended its transaction itself: what it did may stay, and will be done again")

    def fail(self, claim: Values, error: str) -> None:
        self._execute(self.connection(), FAIL, {**claim, "error": error})

    def _is_lost(self) -> bool:
        return self._connection is not None and self._connection.closed

    @staticmethod
    def _execute(
        connection: psycopg.Connection, query: LiteralString, values: Values
    ) -> psycopg.Cursor[tuple[Any, ...]]:
        """With a cursor of its own: the code may have set the connection's factories."""
        from psycopg import Cursor
        from psycopg.rows import tuple_row

        return Cursor(connection, row_factory=tuple_row).execute(query, values)


def records(event: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the records of an event. Raises NotReadable."""
    found = event.get("Records") if isinstance(event, Mapping) else None
    if not isinstance(found, list) or not found or not all(isinstance(record, dict) for record in found):
        raise NotReadable("the event has no Records: it is neither of SNS nor of SQS")
    return found


def is_of_sqs(record: Mapping[str, Any]) -> bool:
    return "body" in record and "Sns" not in record


def waits_for_the_answer(event: Mapping[str, Any]) -> bool:
    """Whether a redrive sent the event that reads the outcomes, and keeps its dead letter until it has."""
    mark = event.get("redrive")
    return isinstance(mark, dict) and "run_id" in mark and mark.get("accepted_only") is not True


def outcome_of(result: str | Exception) -> str:
    match result:
        case str():
            return result
        case StillInProgress():
            return "in_progress"
        case _:
            return "failed"


def read(record: Mapping[str, Any], event: Mapping[str, Any] | None = None) -> Message:
    """Return the message of a record of this event. Raises NotReadable with the reason, and nothing of the message."""
    envelope = _envelope(record)
    runs = run_ids(event, record, envelope)
    if envelope is None:
        attributes = _values(record.get("messageAttributes"), "stringValue")
        return _decoded(record.get("body"), attributes, runs)
    attributes = _values(envelope.get("MessageAttributes"), "Value")
    return _decoded(envelope.get("Message"), attributes, runs)


def run_ids(event: object, record: object, envelope: object) -> dict[str, str]:
    """Return `redrive_run_id` and `backfill_run_id`, the newest of each: a run writes it beside the records, to a queue among
    the attributes or into SNS's envelope, to the topic among the attributes of the message."""
    found: dict[str, str] = {}
    for kind in ("redrive", "backfill"):
        name = f"{kind}_run_id"
        said = (
            _part(event, kind, "run_id"),
            _part(record, "messageAttributes", name, "stringValue"),
            _part(envelope, kind, "run_id"),
            _part(envelope, "MessageAttributes", name, "Value"),
        )
        known = [one for one in said if isinstance(one, str) and RUN_ID.fullmatch(one)]
        found |= {name: known[0]} if known else {}
    return found


def _envelope(record: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what SNS has put around the message; None where the record holds the message itself. Raises NotReadable."""
    if is_of_sqs(record):
        document = _document(record.get("body"))
        return document if document.get("Type") == "Notification" else None
    notification = record.get("Sns")
    if not isinstance(notification, dict):
        raise NotReadable("a record has neither Sns nor body")
    return notification


def _part(holder: object, *names: str) -> object:
    for name in names:
        holder = holder.get(name) if isinstance(holder, Mapping) else None
    return holder


def _values(attributes: object, field_name: str) -> dict[str, str]:
    """Return attributes by name; a binary one, which b2bpilot never writes, is left out."""
    if not isinstance(attributes, dict | None):
        raise NotReadable("the attributes are not an object")
    return {
        name: entry[field_name]
        for name, entry in (attributes or {}).items()
        if isinstance(entry, dict) and isinstance(entry.get(field_name), str)
    }


def _decoded(body: object, attributes: Mapping[str, str], runs: Mapping[str, str]) -> Message:
    document = _document(body)
    params = document.get("params")
    if document.get("schema") != SCHEMA:
        raise NotReadable(
            f"the message's schema is not {SCHEMA}: it is none of b2bpilot's, or of a newer version"
        )
    if not isinstance(params, dict) or not all(isinstance(value, str) for value in params.values()):
        raise NotReadable("params is not an object of strings")
    try:
        return Message(
            message_id=str(uuid.UUID(document["message_id"])),
            source=source if isinstance(source := document.get("source"), str) else "",
            received_at=_moment(document["received_at"]),
            test=document.get("test") is True,
            params=params,
            attributes=attributes,
            sent_again_by=runs,
        )
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError):
        raise NotReadable("message_id or received_at is missing or wrong") from None


def _document(body: object) -> dict[str, Any]:
    try:
        found = json.loads(body) if isinstance(body, str) else None
    except (ValueError, RecursionError):
        raise NotReadable("the message is not JSON") from None
    if not isinstance(found, dict):
        raise NotReadable("the message is not a JSON object")
    return found


def _moment(text: str) -> datetime:
    named = datetime.fromisoformat(text)
    return (named if named.tzinfo else named.replace(tzinfo=UTC)).astimezone(UTC)


def left_to(context: RemainingTime | None) -> timedelta:
    """Return how long the run may take; Lambda's longest where nobody says it."""
    return LONGEST_RUN if context is None else timedelta(milliseconds=context.get_remaining_time_in_millis())


def longest_lease(environ: Mapping[str, str] = os.environ) -> timedelta:
    """Return how long a lease may be. Where retries come sooner than on AWS, as in b2bpilot's local environment, a variable
    says so."""
    return min(LONGEST_LEASE, timedelta(seconds=float(environ.get("LONGEST_LEASE_SECONDS") or "50")))


def described(exc: Exception, message: Message | None) -> str:
    """Return the first line of an error without what the message says: a statement's error may quote a value."""
    text = str(exc)[: 2 * ERROR_LENGTH].strip()
    values = message.params.values() if message else ()
    said = {piece for value in values for piece in (value, repr(value)[1:-1], *value.splitlines())}
    for piece in sorted(said, key=len, reverse=True):
        if len(piece) > LONGEST_WORD:
            text = text.replace(piece, "***")
        elif len(piece) > QUOTABLE:
            text = re.sub(rf"(?<!\w){re.escape(piece)}(?!\w)", "***", text)
    text = next(iter(text.splitlines()), "")
    text = NUMBER.sub("***", UNSTORABLE.sub("\ufffd", text))
    return f"{type(exc).__name__}: {text}"[:ERROR_LENGTH]


def is_unused(connection: psycopg.Connection) -> bool:
    """Whether a claim would be committed on it: code that ended its transaction may have left another one open."""
    from psycopg.pq import TransactionStatus

    return connection.info.transaction_status is TransactionStatus.IDLE and connection.autocommit


def database_url(environ: Mapping[str, str] = os.environ) -> str:
    """Return where the database is. Raises NotUsable. A secret is read again for each new connection: it may be rotated."""
    if url := environ.get("DATABASE_URL"):
        return url
    if arn := environ.get("DATABASE_SECRET_ARN"):
        return _in_secret(arn, environ)
    raise NotUsable("neither DATABASE_URL nor DATABASE_SECRET_ARN is set")


def connect(dsn: str, *, application_name: str) -> psycopg.Connection:
    """Open a connection in autocommit mode. `prepare_threshold=None`: named statements break behind poolers."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    if "://" in dsn and dsn.partition("://")[2].partition("?")[0].count("@") > 1:
        raise NotUsable("the database URL has more than one @: write one in the password as %40")
    try:
        named = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        raise NotUsable("the database URL is none: postgresql://USER:PASSWORD@HOST:5432/DATABASE") from None
    known = {**WAITS, **authorities(named)}
    return psycopg.connect(
        make_conninfo(dsn, **{name: value for name, value in known.items() if name not in named}),
        autocommit=True,
        prepare_threshold=None,
        application_name=application_name,
    )


def authorities(named: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return whom a connection believes that verifies the server and names nobody: the CAs of RDS, where their file is here."""
    mode = str(named.get("sslmode") or environ.get("PGSSLMODE") or "")
    if not mode.startswith("verify") or "PGSSLROOTCERT" in environ or not CAS.is_file():
        return {}
    return {"sslrootcert": str(CAS)}


def _in_secret(arn: str, environ: Mapping[str, str]) -> str:
    import boto3
    from botocore.config import Config
    from psycopg.conninfo import make_conninfo

    telling = logging.getLogger("botocore")
    if telling.level == logging.NOTSET:  # at INFO it tells where it found credentials: lines that say nothing
        telling.setLevel(logging.WARNING)
    limits = Config(connect_timeout=5, read_timeout=5, retries={"total_max_attempts": 2})
    client = boto3.client("secretsmanager", config=limits)
    secret = json.loads(client.get_secret_value(SecretId=arn)["SecretString"])
    if url := secret.get("DATABASE_URL"):
        return str(url)
    fields = {
        "user": secret.get("username"),
        "password": secret.get("password"),
        "host": secret.get("host") or environ.get("DATABASE_HOST"),
        "port": secret.get("port") or environ.get("DATABASE_PORT"),
        "dbname": secret.get("dbname") or environ.get("DATABASE_NAME"),
    }
    if lacking := [name for name, value in fields.items() if not value]:
        raise NotUsable(f"the secret has no DATABASE_URL, and nothing says {', '.join(lacking)}")
    return make_conninfo("", sslmode=environ.get("PGSSLMODE", "verify-full"), **fields)
