"""Claim and complete, the two statements of each message, against the same two from a bare psycopg loop and from pgbench.

`python -m bench.claims WAY DSN MESSAGES` is one connection of it: it says `ready`, begins at a line, and ends with a line.
None of them has named statements, which break behind poolers. PostgreSQL does not wait for the disk here: what is compared
is code, and each way would wait alike.
"""

from __future__ import annotations

import json
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
from tests.ops.migrations.tables import INDEX, TABLE, connect

LEASE = timedelta(seconds=50)
MESSAGES = 1_000
"""Of each way in a turn, all connections together."""
AT_ONCE = 10
SMALL, LARGER, LARGE = 10**4, 10**6, 10**7
PARTS = 16
SAMPLE = 10_000
INDEX_BYTES = f"""
    SELECT pg_relation_size('{INDEX}'), pg_indexes_size('{TABLE}') - pg_relation_size('{INDEX}')
"""
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


def of_a_large_table(_: Environments) -> Iterator[Turn]:
    """What a table of 10,000,000 rows takes, and whether parts by the hash of the message_id are faster."""
    with server() as url:
        whole = table_of(url, LARGE, name="whole")
        parted = table_of(url, LARGE, name="parted", parts=PARTS)
        while True:
            yield {
                **_sizes_of(whole),
                "whole": rate("ours", whole, 1),
                f"{PARTS} parts": rate("ours", parted, 1),
                "deleted": _deleted(whole),
            }


def _sizes_of(dsn: str) -> Turn:
    """Bytes of a row. The rows are shorter than Twilio's: of the table itself a copy with whole messages tells."""
    with connect(dsn) as connection:
        index, rest = connection.execute(INDEX_BYTES).fetchone() or (0, 0)
        connection.execute(f"CREATE TABLE copy (LIKE {TABLE} INCLUDING DEFAULTS)".encode())
        own = f"INSERT INTO copy (id, message_id, params) SELECT n, md5(n::text)::uuid::text, %s FROM generate_series(1, {SAMPLE}) n"
        connection.execute(own.encode(), [json.dumps(dict(message().params))])
        (bytes_,) = connection.execute("SELECT pg_table_size('copy')").fetchone() or (0,)
        connection.execute("DROP TABLE copy")
    return {
        "message_id index": index / LARGE,
        "other indexes": rest / LARGE,
        "table": bytes_ / SAMPLE,
    }


def _deleted(dsn: str) -> float:
    """Rows a second, as a job for retention deletes them: the oldest, a thousand at a time."""
    query = f"DELETE FROM {TABLE} WHERE id IN (SELECT id FROM {TABLE} ORDER BY id LIMIT 1000)"
    with connect(dsn) as connection:
        started = time.perf_counter()
        for _ in range(20):
            connection.execute(query.encode())
        return 20_000 / (time.perf_counter() - started)


def _turns(*, connections: int) -> Iterator[Turn]:
    """Messages a second."""
    with migrated() as dsn:
        _hurry(dsn)
        while True:
            turn = {way: rate(way, dsn, connections) for way in WAYS}
            yield {"b2bpilot": turn["ours"], "psycopg": turn["plain"], "pgbench": _pgbench(dsn, connections)}


def _sizes(*sizes: int) -> Iterator[Turn]:
    """Messages a second."""
    with server() as url:
        tables = {size: table_of(url, size) for size in sizes}
        while True:
            yield {f"{size:,} rows": rate("ours", dsn, 1) for size, dsn in tables.items()}


def table_of(url: str, rows: int, *, name: str = "rows", parts: int = 0) -> str:
    """A database whose table has so many completed rows, with the statistics that autovacuum would make; in parts by the hash
    of the message_id, where there are any."""
    dsn = new_database(url, f"{name}_{rows}")
    migrations.apply(dsn)
    _hurry(dsn)
    with connect(dsn) as connection:
        if parts:
            _partition(connection, parts)
        connection.execute(f"DROP INDEX {INDEX}".encode())
        connection.execute(FILL.encode(), [rows])
        connection.execute(f"CREATE UNIQUE INDEX {INDEX} ON {TABLE} (message_id)".encode())
        connection.execute(f"VACUUM ANALYZE {TABLE}".encode())
    return dsn


def _partition(connection: psycopg.Connection, parts: int) -> None:
    """The same table, but that its primary key has the message_id as well, as PostgreSQL wants it."""
    for statement in (
        f"ALTER TABLE {TABLE} RENAME TO whole",
        f"DROP INDEX {INDEX}",
        f"CREATE TABLE {TABLE} (LIKE whole INCLUDING DEFAULTS INCLUDING IDENTITY) PARTITION BY HASH (message_id)",
        f"ALTER TABLE {TABLE} ADD PRIMARY KEY (id, message_id)",
        f"CREATE UNIQUE INDEX {INDEX} ON {TABLE} (message_id)",
        f"CREATE INDEX ON {TABLE} (updated_at) WHERE status IN ('pending', 'processing', 'failed')",
        *(
            f"CREATE TABLE part_{part} PARTITION OF {TABLE} FOR VALUES WITH (MODULUS {parts}, REMAINDER {part})"
            for part in range(parts)
        ),
    ):
        connection.execute(statement.encode())


def _hurry(dsn: str) -> None:
    with connect(dsn) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())


def rate(way: str, dsn: str, connections: int) -> float:
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
    values = {**claim_values(of, LEASE, adopts=False, answers=True), "received_at": "20261130T120000Z"}
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
            row = connection.execute(
                queries.CLAIM.query, claim_values(one, LEASE, adopts=False, answers=True)
            ).fetchone()
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
