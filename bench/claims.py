"""Claim and complete, the two statements of each message, against the same two from a bare psycopg loop and from pgbench.

`python -m bench.claims WAY DSN MESSAGES` is one connection of it: it says `ready`, begins at a line, and ends with a line.
None of them has named statements, which break behind poolers. PostgreSQL does not wait for the disk here: what is compared
is code, and each way would wait alike.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import timedelta
from typing import IO

import psycopg

from b2bpilot.ops import migrations
from b2bpilot.pipeline import queries
from b2bpilot.pipeline.claim import claim_values
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.message import PilotMessage
from b2bpilot.pipeline.processing import submission_fields
from bench.environment import Environments
from bench.row import Turn
from bench.server import migrated, new_database, program, server
from tests.events import message
from tests.ops.migrations.tables import connect

LEASE = timedelta(seconds=50)
MESSAGES = 1_000
"""Of each way in a turn, all connections together."""
AT_ONCE = 10
SMALL, LARGER, LARGE = 10**4, 10**6, 10**7
FILL = """
    INSERT INTO b2b_pilot_user_submissions (message_id, message_sid, from_number, to_number, body, status, source,
        message_type, priority, test, params, received_at, attempts, completed_at, created_at)
    SELECT md5(number::text)::uuid::text, 'SM' || md5(number::text), '+15005550006', '+15005550001', 'Two pallets, please',
        'completed', 'twilio', 'text', 'normal', false, '{"Body": "Two pallets, please", "From": "+15005550006"}',
        now() - interval '1 day', 1, now() - interval '1 day', now() - interval '1 day'
    FROM generate_series(1, %s) AS number
"""


def on_one_connection(_: Environments) -> Iterator[Turn]:
    return _turns(connections=1)


def on_ten_connections(_: Environments) -> Iterator[Turn]:
    return _turns(connections=AT_ONCE)


def in_a_table_of_a_million(_: Environments) -> Iterator[Turn]:
    return _sizes(SMALL, LARGER)


def in_a_table_of_ten_million(_: Environments) -> Iterator[Turn]:
    return _sizes(SMALL, LARGE)


def _turns(*, connections: int) -> Iterator[Turn]:
    """Messages a second."""
    with migrated() as dsn:
        _hurry(dsn)
        while True:
            turn = {way: _rate(way, dsn, connections) for way in WAYS}
            yield {"b2bpilot": turn["ours"], "psycopg": turn["plain"], "pgbench": _pgbench(dsn, connections)}


def _sizes(*sizes: int) -> Iterator[Turn]:
    """Messages a second."""
    with server() as url:
        tables = {size: table_of(url, size) for size in sizes}
        while True:
            yield {f"{size:,} rows": _rate("ours", dsn, 1) for size, dsn in tables.items()}


def table_of(url: str, rows: int) -> str:
    """A database whose table has so many completed rows, with the statistics that autovacuum would make."""
    dsn = new_database(url, f"rows_{rows}")
    migrations.apply(dsn)
    _hurry(dsn)
    with connect(dsn) as connection:
        connection.execute(FILL.encode(), [rows])
        connection.execute("VACUUM ANALYZE b2b_pilot_user_submissions")
    return dsn


def _hurry(dsn: str) -> None:
    with connect(dsn) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())


def _rate(way: str, dsn: str, connections: int) -> float:
    """Each connection in a process of its own, as each container of the function is."""
    count = MESSAGES // connections
    running = [_child(way, dsn, count) for _ in range(connections)]
    for child in running:
        assert _out(child).readline() == "ready\n"
    started = time.perf_counter()
    for child in running:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in running:
        assert _out(child).readline() == "done\n"
    seconds = time.perf_counter() - started
    for child in running:
        child.communicate()
    return count * connections / seconds


def _child(way: str, dsn: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench.claims", way, dsn, str(count)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _out(child: subprocess.Popen[str]) -> IO[str]:
    assert child.stdout is not None
    return child.stdout


def _pgbench(dsn: str, connections: int) -> float:
    """Its own count of transactions a second, without connecting."""
    count = MESSAGES // connections
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(_script(dsn))
        script.flush()
        options = ["--no-vacuum", "--protocol=extended", f"--client={connections}", f"--transactions={count}"]
        done = subprocess.run(
            [program("pgbench"), *options, f"--file={script.name}", dsn],
            check=True,
            capture_output=True,
            text=True,
        )
    found = re.search(r"tps = ([\d.]+)", done.stdout)
    assert found, done.stdout
    return float(found.group(1))


def _script(dsn: str) -> str:
    """The statements as they are, with an id that pgbench draws. It takes any colon before a letter or a digit for a variable's."""
    of = message(message_id="00000000-0000-4000-8000-000000000000")
    values = {**claim_values(of, LEASE), "received_at": "20261130T120000Z"}
    drawn = "md5(:number::text)::uuid::text"
    with psycopg.connect(dsn, cursor_factory=psycopg.ClientCursor) as connection:
        cursor = connection.cursor()
        claim = cursor.mogrify(queries.CLAIM.query, values)
        complete = cursor.mogrify(queries.COMPLETE, _completing(of, attempts=1))
    statements = [
        text.replace(f"'{of.message_id}'", drawn)
        .replace("'0:00:50'", "'50 s'")
        .replace("urn:uuid:", "urn.uuid.")
        for text in (claim, complete)
    ]
    return "\n".join(["\\set number random(1, 9000000000000000000)", *(f"{text};" for text in statements)])


def _completing(of: PilotMessage, *, attempts: int) -> dict[str, object]:
    fields = asdict(submission_fields(of))
    return {"message_id": of.message_id, "attempts": attempts, **fields}


def ours(dsn: str, messages: list[PilotMessage], go: Callable[[], object]) -> None:
    with DatabaseManager(dsn, read_write=True) as database:
        database.now()
        go()
        for one in messages:
            claim = database.claim(one, lease=LEASE)
            assert claim is not None
            assert database.complete(claim, submission_fields(one)) is not None


def plain(dsn: str, messages: list[PilotMessage], go: Callable[[], object]) -> None:
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=None) as connection:
        connection.execute("SELECT 1")
        go()
        for one in messages:
            row = connection.execute(queries.CLAIM.query, claim_values(one, LEASE)).fetchone()
            assert row is not None
            assert connection.execute(queries.COMPLETE, _completing(one, attempts=row[0])).fetchone()


WAYS = {"ours": ours, "plain": plain}


def main(way: str, dsn: str, count: str) -> None:
    messages = [message() for _ in range(int(count))]

    def go() -> None:
        print("ready", flush=True)
        sys.stdin.readline()

    WAYS[way](dsn, messages, go)
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
