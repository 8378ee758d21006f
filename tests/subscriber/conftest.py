"""A database of a subscriber's own: its table of deliveries, and a table that its code writes to."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from b2bpilot.ops import migrations
from b2bpilot.subscriber.once import OnceHandler, once
from tests.subscriber.effects import TABLE, Rows, insert


@pytest.fixture(scope="session")
def subscribers_url(postgres_server: str) -> Iterator[str]:
    """Its DSN. One for all tests: each has messages of its own."""
    name = f"subscriber_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        dsn = make_conninfo(postgres_server, dbname=name)
        migrations.apply(dsn, table=migrations.DELIVERIES)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(TABLE)
        yield dsn
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def rows(subscribers_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rows]:
    """A look at it beside the handler, which finds it by its variable."""
    monkeypatch.setenv("DATABASE_URL", subscribers_url)
    with Rows.connect(subscribers_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def handler(rows: Rows) -> Iterator[OnceHandler]:
    made = once("analytics")(insert)
    yield made
    made.end()
