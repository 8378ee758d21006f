"""Faults of the database server itself, made past all proxies and taken back by the same way."""

from __future__ import annotations

import os
import shlex
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from b2bpilot.pipeline.waiting import try_until
from tests.faults.deployment import DATABASE, Deployment

OURS = "application_name LIKE 'b2bpilot/%'"
SHORT_BODIES = "bodies_are_short"
LONGEST_BODY = 30
LOCK_SECONDS = 3
RECOVERED_SECONDS, PAUSE_SECONDS = 120.0, 0.25
"""A server that recovers from a crash refuses connections for a second or two; a lock may be waited for many times."""


def terminate_backends(deployment: Deployment, share: float = 1.0) -> None:
    execute(
        deployment,
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {OURS} AND random() < {share}",
    )


def kill_backend(deployment: Deployment) -> None:
    """kill -9 of one server process: the server ends all others and recovers, as after a crash."""
    with deployment.connect() as connection:
        found = connection.execute(f"SELECT pid FROM pg_stat_activity WHERE {OURS} LIMIT 1").fetchone()
    if found:
        with suppress(ProcessLookupError):
            os.kill(found[0], 9)


def restart(deployment: Deployment) -> None:
    """The server dies and starts again: another start time, by which commands prove which database they ask."""
    data = deployment.machine.home / "postgres"
    program = Path(shlex.split((data / "postmaster.opts").read_text())[0])
    subprocess.run(
        [
            program.with_name("pg_ctl"),
            "-D",
            data,
            "-m",
            "immediate",
            "-w",
            "-l",
            data / "restarted.log",
            "restart",
        ],
        user=data.stat().st_uid,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )


@contextmanager
def read_only(deployment: Deployment) -> Iterator[None]:
    """New connections take no writes, half of the old ones are ended. Who is connected then stays without writes."""
    execute(deployment, f"ALTER DATABASE {DATABASE} SET default_transaction_read_only = on")
    try:
        terminate_backends(deployment, 0.5)
        yield
    finally:
        execute(deployment, f"ALTER DATABASE {DATABASE} SET default_transaction_read_only = off")


@contextmanager
def short_bodies(deployment: Deployment) -> Iterator[None]:
    """Poison by deploy: a constraint that a third of the messages break."""
    execute(
        deployment,
        f"ALTER TABLE b2b_pilot_user_submissions ADD CONSTRAINT {SHORT_BODIES}"
        f" CHECK (length(body) < {LONGEST_BODY}) NOT VALID",
    )
    try:
        yield
    finally:
        execute(
            deployment, f"ALTER TABLE b2b_pilot_user_submissions DROP CONSTRAINT IF EXISTS {SHORT_BODIES}"
        )


def lock_table(deployment: Deployment, seconds: float, until: threading.Event) -> None:
    """Hold what a migration in a long transaction holds."""
    with suppress(psycopg.Error), deployment.connect() as connection, connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '2s'")
        connection.execute("LOCK TABLE b2b_pilot_user_submissions IN ACCESS EXCLUSIVE MODE")
        until.wait(seconds)


def execute(deployment: Deployment, statement: str) -> None:
    """Run it, again while the server recovers."""

    def run() -> None:
        with deployment.connect() as connection:
            connection.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
            connection.execute(statement)

    try_until(run, passes=psycopg.OperationalError, seconds=RECOVERED_SECONDS, pause_seconds=PAUSE_SECONDS)
