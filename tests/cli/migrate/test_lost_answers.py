"""`b2bpilot migrate` whose connection ends when a statement was done and its answer is under way: what it says is so."""

from __future__ import annotations

import itertools
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.cli.conftest import Run
from tests.faults.claims import untrue
from tests.faults.deployment import connect_to, socket_of
from tests.faults.proxies.stream import HOST, StreamProxy, Way
from tests.fuzz import examples
from tests.ops.migrations.tables import create_old_table

FIRST, LAST = 45, 95
"""Before the first of these answers nothing is changed; a migration of an old table has not many more."""
SCHEMA = """
    SELECT relname, attname FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid
    WHERE relname LIKE '%user_submissions%'
"""


class LosingAnswer(StreamProxy):
    """Ends the connection instead of passing on the answer with this number, and every answer after it."""

    def __init__(self, number: int) -> None:
        self._answers = itertools.count(1)
        self._number = number
        self._of_thread = threading.local()
        super().__init__("answers")

    def _pump(self, source: socket.socket, target: socket.socket, way: Way) -> None:
        self._of_thread.way = way
        super()._pump(source, target, way)

    def _cut(self, target: socket.socket, piece: bytes, way: Way) -> None:
        """Nothing more is passed on."""

    def _is_cut(self) -> bool:
        """A piece from the server is an answer."""
        return self._of_thread.way is Way.DOWN and next(self._answers) >= self._number


@contextmanager
def losing_answer(dsn: str, number: int) -> Iterator[str]:
    """Give a DSN that leads to the same database."""
    proxy = LosingAnswer(number)
    address = socket_of(dsn)
    proxy.lead_to(lambda: connect_to(address))
    try:
        yield f"postgresql://postgres@{HOST}:{proxy.port}/{conninfo_to_dict(dsn)['dbname']}"
    finally:
        proxy.close()


def schema(dsn: str) -> list[tuple[str, str]]:
    with psycopg.connect(dsn) as connection:
        return sorted(connection.execute(SCHEMA).fetchall())


@pytest.mark.hypothesis  # for `make fuzz`: it draws, too
@pytest.mark.parametrize("seed", range(examples(6)))
def test_a_migration_whose_answer_is_lost_claims_no_more_than_it_knows(
    run: Run, empty_database_url: str, seed: int
) -> None:
    create_old_table(empty_database_url)
    before = schema(empty_database_url)
    with losing_answer(empty_database_url, random.Random(seed).randint(FIRST, LAST)) as dsn:
        ended = run("migrate", "--database-url", dsn, "--yes")
    changed = len(set(schema(empty_database_url)) ^ set(before))
    assert untrue(ended.stdout + ended.stderr, ended.exit_code, done=changed) == []
