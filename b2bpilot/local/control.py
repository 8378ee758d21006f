"""`up`, `down` and `status`: the local environment from outside, by its home directory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO

import psutil

from b2bpilot.errors import LocalEnvironmentError
from b2bpilot.local.clients import credentials
from b2bpilot.local.lock import LOCK_FILE, HomeLock
from b2bpilot.local.region_process import MODULE
from b2bpilot.local.shell import for_a_child
from b2bpilot.local.state import (
    STATE_FILE,
    EnvironmentState,
    Identity,
    LocalSide,
    LocalSubscriber,
    forget,
    make_home,
    read_state,
)

if TYPE_CHECKING:
    from b2bpilot.local.subscribers.folder import SubscriberFolder

Progress = Callable[[str], None]

DOWN_SECONDS = 120
CONTAINER = "b2bpilot.local.runtime.process_main"
"""What the process of a container runs; after it come a number and the function's name."""
LOG_FILE = "up.log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One of the processes. `memory_bytes` is its share: pages used by several processes are divided among them."""

    name: str
    pid: int
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalStatus:
    """What `local status` tells. Without a running environment only `running` and `home` mean anything."""

    running: bool
    home: Path
    pid: int | None = None
    started_at: str | None = None
    endpoint_url: str | None = None
    webhook_url: str | None = None
    twilio_api_url: str | None = None
    database_url: str | None = None
    stack_name: str | None = None
    region: str | None = None
    account_id: str | None = None
    subscribers: tuple[LocalSubscriber, ...] = ()
    sides: tuple[LocalSide, ...] = ()
    components: tuple[Component, ...] = ()
    export: Mapping[str, str] | None = None


def status(home: Path) -> LocalStatus:
    """Never starts or changes anything."""
    home = home.expanduser().resolve()
    state = running(home)
    if state is None:
        return LocalStatus(running=False, home=home)
    return LocalStatus(
        running=True,
        home=home,
        pid=state.pid,
        started_at=state.started_at,
        endpoint_url=state.endpoint_url,
        webhook_url=state.webhook_url,
        twilio_api_url=state.twilio_api_url or None,
        database_url=state.database_url,
        stack_name=state.stack_name,
        region=state.region,
        account_id=state.account_id,
        subscribers=state.subscribers,
        sides=state.sides,
        components=_components(state),
        export=credentials(state.endpoint_url, state.keys),
    )


def running(home: Path) -> EnvironmentState | None:
    """Return where the environment of this home is, if one runs: what `status` tells without measuring memory."""
    home = home.expanduser().resolve()
    state = read_state(home)
    return state if state is not None and _owner(home) == state.pid else None


def left_out(home: Path, subscribers: Sequence[SubscriberFolder]) -> list[LocalSubscriber]:
    """Return the subscribers of the last start that the next one is not given: it deletes their stacks."""
    state = read_state(home.expanduser().resolve())
    kept = {folder.name for folder in subscribers}
    return [one for one in (state.subscribers if state else ()) if one.name not in kept]


def endpoints(home: Path) -> Mapping[str, str]:
    """Return where the emulator of each region is; empty when none runs."""
    state = running(home)
    if state is None:
        return {}
    return {state.region: state.endpoint_url} | {side.region: side.endpoint_url for side in state.sides}


def export(home: Path, *, endpoint_url: str | None) -> Mapping[str, str] | None:
    """Return the variables that AWS's tools need; None when nothing runs. An endpoint that is named is believed: a
    forwarded port, for instance, of an environment that runs elsewhere."""
    if endpoint_url is None:
        state = running(home)
        return credentials(state.endpoint_url, state.keys) if state else None
    return credentials(endpoint_url, Identity.of(read_state(home.expanduser().resolve())).keys)


def up_detached(
    home: Path,
    *,
    fresh: bool = False,
    subscribers: Sequence[SubscriberFolder] = (),
    pair: bool = False,
    progress: Progress = lambda _: None,
) -> LocalStatus:
    """Start an environment in a process of its own and return when it is ready. It goes on when this process ends."""
    home = home.expanduser().resolve()
    make_home(home)
    command = [sys.executable, "-m", "b2bpilot.local", "--home", str(home), *(["--fresh"] if fresh else [])]
    command += [f"--subscriber={folder.path}" for folder in subscribers] + (["--pair"] if pair else [])
    with _log_of_the_owner(home / LOG_FILE) as log:
        process = subprocess.Popen(  # noqa: S603  # nosec B603  # our own module
            command,
            env=for_a_child(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    process.returncode = (
        0  # it is meant to outlive us; subprocess warns about children that it loses sight of
    )
    assert process.stdout  # noqa: S101  # nosec B101  # for the type checker: it was asked for
    try:
        _wait_until_ready(process.stdout, progress)
    except KeyboardInterrupt:
        _end(process.pid)
        raise
    found = status(home)
    if not found.running:
        raise LocalEnvironmentError("the local environment did not start", hint=f"see {home / LOG_FILE}")
    return found


def _wait_until_ready(stream: IO[bytes], progress: Progress) -> None:
    """Return when it is ready, or has ended without a word. Raises LocalEnvironmentError."""
    with stream as reports:
        for line in reports:
            report = json.loads(line)
            match report["kind"]:
                case "ready":
                    return
                case "error":
                    raise LocalEnvironmentError(report["text"], hint=report["hint"])
                case "progress":
                    progress(report["text"])


def _log_of_the_owner(path: Path) -> BinaryIO:
    """What goes wrong is told with the events that it went wrong with: customers' messages."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    return path.open("wb")


def down(home: Path) -> bool:
    """End the environment of this home and wait until all of it is gone; False when none was running. Also what a killed
    one has left behind, stopped."""
    home = home.expanduser().resolve()
    pid = _owner(home)
    if pid is None:
        return _end_what_was_left(home)
    with closing(HomeLock(home)) as lock:
        os.kill(pid, signal.SIGTERM)
        _wait_until_gone(lock, pid)
    with suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(DOWN_SECONDS)
    return True


def _end_what_was_left(home: Path) -> bool:
    """Emulators that somebody has stopped, and whose environment was killed: they notice it as soon as they go on, and end.
    The lock that they hold says that they are this home's."""
    state = read_state(home)
    if state is None or not (home / LOCK_FILE).exists():
        return False
    with closing(HomeLock(home)) as lock:
        stopped = [pid for pid in _emulators(state).values() if _is_stopped(pid)]
        if not stopped or lock.owner() is None:
            return False
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        _wait_until_gone(lock, stopped[0])
    return True


def _is_stopped(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.Error:
        return False


def _wait_until_gone(lock: HomeLock, pid: int) -> None:
    if not lock.wait_until_free(timeout_seconds=DOWN_SECONDS):
        raise LocalEnvironmentError(
            f"process {pid} did not end within {DOWN_SECONDS} s", hint=f"end it with: kill -9 {pid}"
        )


def delete(home: Path) -> bool:
    """Delete all that an environment left in its home and that nothing else uses; False when there was nothing. Runs and
    archives of the commands may be kept in the same folder: they stay. Raises LocalEnvironmentError while one runs."""
    home = home.expanduser().resolve()
    if not (home / LOCK_FILE).exists():
        return False
    with closing(HomeLock(home)) as lock:
        lock.acquire()
        forget(home)
        for name in (STATE_FILE, LOG_FILE, LOCK_FILE):
            (home / name).unlink(missing_ok=True)
    with suppress(OSError):
        home.rmdir()
    return True


def _end(pid: int) -> None:
    """End the environment that this process began, and wait until all of it is gone."""
    with suppress(ProcessLookupError, psutil.NoSuchProcess):
        os.kill(pid, signal.SIGTERM)
        psutil.Process(pid).wait(DOWN_SECONDS)


def _owner(home: Path) -> int | None:
    """The process that runs the environment of this home, if one does."""
    if not (home / LOCK_FILE).exists():
        return None
    with closing(HomeLock(home)) as lock:
        pid = lock.owner()
    return pid if pid is not None and psutil.pid_exists(pid) else None


def _components(state: EnvironmentState) -> tuple[Component, ...]:
    pids = {"environment": state.pid, **_emulators(state), "postgres": state.postgres_pid}
    return tuple(
        Component(name=name, pid=pid, memory_bytes=_memory(pid, family=name == "postgres"))
        for name, pid in [*pids.items(), *_function_processes(state.pid)]
    )


def _emulators(state: EnvironmentState) -> dict[str, int]:
    if not state.sides:
        return {"emulator": state.emulator_pid}
    return {f"emulator {side.region}": side.emulator_pid for side in state.sides}


def _function_processes(pid: int) -> list[tuple[str, int]]:
    """What runs a region's functions, of a pair; and the subscribers' functions that run, or ran a moment ago, each with the
    process of one container."""
    found = []
    with suppress(psutil.Error):
        for child in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.Error):
                command = child.cmdline()
                if CONTAINER in command:
                    found.append((command[command.index(CONTAINER) + 2], child.pid))
                elif MODULE in command:
                    found.append((f"functions {command[command.index(MODULE) + 1]}", child.pid))
    return found


def _memory(pid: int, *, family: bool) -> int:
    try:
        process = psutil.Process(pid)
        members = [process, *process.children(recursive=True)] if family else [process]
        return sum(_share(member) for member in members)
    except psutil.Error:
        return 0


def _share(process: psutil.Process) -> int:
    """PSS where the system has it: PostgreSQL's processes share most of their memory."""
    try:
        found = process.memory_full_info()
    except psutil.NoSuchProcess:
        return 0
    return int(getattr(found, "pss", found.rss))
