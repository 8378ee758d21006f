"""A server from the system's own PostgreSQL packages, of another major version than the embedded one."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
EMBEDDED_VERSION = 18
UNPRIVILEGED = ("postgres", "pgserver", "nobody")
"""Who runs it when we are root, whom PostgreSQL refuses."""
OPTIONS = "-c listen_addresses= -c fsync=off -c max_prepared_transactions=5 -c shared_buffers=16MB"


def find_binaries() -> Path | None:
    """Return the folder of the newest one that is older than the embedded."""
    found = [(version, place) for place in _places() if (version := _version(place))]
    older = [(version, place) for version, place in found if 13 <= version < EMBEDDED_VERSION]
    return max(older)[1] if older else None


@contextmanager
def running(binaries: Path) -> Iterator[str]:
    """Make a cluster, start it, give the DSN of its `postgres` database; all is removed afterwards."""
    directory = Path(tempfile.mkdtemp())
    user = _own(directory)
    data = directory / "data"
    try:
        _run(user, binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8")
        _run(
            user,
            binaries / "pg_ctl",
            "-D",
            data,
            "-w",
            "-l",
            directory / "log",
            "-o",
            f"-k {directory} {OPTIONS}",
            "start",
        )
        try:
            yield f"host={directory} user=postgres dbname=postgres"
        finally:
            _run(user, binaries / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(directory)


def _places() -> Iterator[Path]:
    if config := shutil.which("pg_config"):
        yield Path(
            subprocess.run([config, "--bindir"], capture_output=True, text=True, check=True).stdout.strip()
        )
    for pattern in PLACES:
        yield from Path("/").glob(pattern.removeprefix("/"))


def _version(place: Path) -> int | None:
    if not ((place / "initdb").exists() and (place / "pg_ctl").exists()):
        return None
    said = subprocess.run([place / "initdb", "--version"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"(\d+)", said)
    return int(match[1]) if match else None


def _own(directory: Path) -> str | None:
    """Give the folder to the user that the server runs as; None when that is us."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    user = next(name for name in UNPRIVILEGED if name in known)
    shutil.chown(directory, user)
    return user


def _run(user: str | None, *command: str | Path) -> None:
    subprocess.run(
        command,
        user=user,
        group=pwd.getpwnam(user).pw_gid if user else None,
        extra_groups=[] if user else None,
        cwd="/",
        check=True,
        stdout=subprocess.DEVNULL,
    )
