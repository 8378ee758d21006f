"""The memory of a backfill: the real run over a real table, and a function that only counts.

Each case runs in a process of its own, `python -m bench.backfill DSN CASE ROWS`, with all that the command line imports.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg

from b2bpilot.aws.functions import Invocation
from b2bpilot.aws.session import AwsAccess
from b2bpilot.aws.subscriptions import Subscription
from b2bpilot.cli import app
from b2bpilot.cli.runs.kind import so_far
from b2bpilot.cli.subscribers import backfill
from b2bpilot.ops import migrations
from b2bpilot.ops.backfill.options import BackfillOptions
from b2bpilot.ops.backfill.routes import FunctionRoute
from b2bpilot.ops.backfill.run import Backfill
from b2bpilot.ops.runs.journal import Journal
from b2bpilot.ops.runs.record import RunRecord, read
from b2bpilot.ops.subscribers.discovery import Subscriber, SubscriberKind
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.history import stretch
from b2bpilot.pipeline.notification import Addressed
from bench.environment import Environments
from bench.row import Turn
from bench.server import new_database, server
from tests.events import SUBSCRIPTION_ARN, TOPIC_ARN, message
from tests.ops.backfill.rows import THEN, put, row_of

FEW, MANY = 1_000, 100_000
TENTH, WHOLE, HALF = "the oldest tenth, by --limit", "all at once", "the second half, by runs resume"
CASES = {"backfill": WHOLE, "backfill --limit": TENTH, "backfill, runs resume": HALF}


def of_each(_: Environments) -> Iterator[Turn]:
    """Megabytes, of tables of 1,000 and of 100,000 rows."""
    with server() as url:
        tables = {count: _table(url, count) for count in (FEW, MANY)}
        while True:
            yield {
                f"{name}, {count:,}": _measured(dsn, case, count)
                for name, case in CASES.items()
                for count, dsn in tables.items()
            }


def _table(url: str, count: int) -> str:
    dsn = new_database(url, f"rows_{count}")
    migrations.apply(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        put(connection, (row_of(message()) for _ in range(count)))
    return dsn


def _measured(dsn: str, case: str, count: int) -> float:
    command = [sys.executable, "-m", "bench.backfill", dsn, case, str(count)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(url: str, case: str, rows: str) -> None:
    """Backfill, and print the most that this process had in memory."""
    _ = (
        app,
        backfill,
        [AwsAccess(region="us-east-1").client(name) for name in ("cloudformation", "sns", "lambda")],
    )
    count, counting = int(rows), Counting()
    sent = {TENTH: count // 10, WHOLE: count, HALF: count // 2}[case]
    with (
        tempfile.TemporaryDirectory() as home,
        _journal(Path(home)) as journal,
        DatabaseManager(url) as database,
    ):
        record = _half_sent(journal, database, count // 2) if case == HALF else None
        limit = sent if case == TENTH else None
        accepted = _backfilled(database, counting, journal, record, limit=limit)
    assert (accepted, counting.events) == (sent if case == TENTH else count, sent)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024)


def _backfilled(
    database: DatabaseManager,
    counting: Counting,
    journal: Journal,
    record: RunRecord | None,
    *,
    limit: int | None,
) -> int:
    run = Backfill(
        database=database,
        subscriber=SUBSCRIBER,
        options=BackfillOptions(limit=limit),
        known=record.messages if record else {},
    )
    rows = stretch(database, since=THEN - timedelta(days=1), until=None)
    assert rows is not None
    to = Addressed(topic_arn=TOPIC_ARN, subscription_arn=SUBSCRIPTION_ARN, run_id=journal.run_id)
    counts = run.send(run.plan(rows), FunctionRoute(counting, to), journal).counts()
    journal.finish(counts)
    return counts["accepted"]


class Counting:
    """The function's own queue."""

    def __init__(self) -> None:
        self.events = 0
        self._lock = threading.Lock()

    def invoke_later(self, _: Mapping[str, Any]) -> None:
        with self._lock:
            self.events += 1

    def invoke(self, event: Mapping[str, Any]) -> Invocation:
        raise NotImplementedError


SUBSCRIBER = Subscriber(
    name="analytics",
    kind=SubscriberKind.FUNCTION,
    subscription=Subscription(
        arn=SUBSCRIPTION_ARN,
        topic_arn=TOPIC_ARN,
        protocol="lambda",
        endpoint="arn:aws:lambda:us-east-1:123456789012:function:analytics-b2b-pilot-prod",
        owner="123456789012",
        confirmed=True,
        raw_delivery=False,
        filter_policy='{"test": ["false"]}',
        filter_policy_scope="MessageAttributes",
        redrive_policy=None,
    ),
)


def _half_sent(journal: Journal, database: DatabaseManager, half: int) -> RunRecord:
    """What an attempt leaves behind that was killed amidst, read as `runs resume` reads it."""
    for message_id in _ids(database, half):
        named = {"queue_message_id": message_id, "message_id": message_id}
        journal.write({"event": "sending", **named}, {"event": "accepted", **named}, durable=False)
    record = read(journal.path)
    assert so_far(record)["accepted"] == half
    return record


def _ids(database: DatabaseManager, half: int) -> Iterator[str]:
    query = "SELECT message_id FROM b2b_pilot_user_submissions ORDER BY id LIMIT %s"
    with database.connection.use() as connection, connection.cursor() as cursor:
        for (message_id,) in cursor.stream(query, [half]):
            yield message_id


@contextmanager
def _journal(home: Path) -> Iterator[Journal]:
    with Journal.create(
        home,
        command="backfill",
        environment="local",
        account_id="000000000001",
        region="us-east-1",
        operator="bench",
        reason=None,
        parameters={},
    ) as journal:
        yield journal


if __name__ == "__main__":
    main(*sys.argv[1:])
