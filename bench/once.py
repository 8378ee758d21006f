"""What a subscriber's claim costs beside the processor's: the same messages in turns, one connection each, to one PostgreSQL.

The subscriber's code does nothing. The processor stores the message with its two statements, so that the ratio is of the
whole way of each.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

from b2bpilot.ops import migrations
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.delivery import deliveries
from b2bpilot.pipeline.processing import process
from b2bpilot.subscriber.once import once
from bench.environment import Environments
from bench.row import Turn
from bench.server import migrated
from tests.events import message, sns_event

MESSAGES = 200
LEASE = timedelta(seconds=50)


def claims(_: Environments) -> Iterator[Turn]:
    """The median milliseconds of a message, from event to commit."""
    with migrated() as dsn:
        migrations.apply(dsn, table=migrations.DELIVERIES)
        os.environ["DATABASE_URL"] = dsn
        handler = once("analytics")(lambda *_: None)
        with DatabaseManager(dsn) as database:

            def processor(event: dict[str, object]) -> None:
                for one in deliveries(event):
                    process(one, database=database, replier=None, lease=LEASE)

            try:
                while True:
                    yield _milliseconds({"processor": processor, "once.py": handler})
            finally:
                handler.end()
                del os.environ["DATABASE_URL"]


def _milliseconds(ways: dict[str, Callable[[dict[str, object]], object]]) -> Turn:
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(MESSAGES):
        event = sns_event(message())
        for name, way in ways.items():
            started = time.perf_counter()
            way(event)
            found[name].append(time.perf_counter() - started)
    return {name: statistics.median(seconds) * 1_000 for name, seconds in found.items()}
