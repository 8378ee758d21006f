"""`pytest -n 4`: workers that are forked from the process that has collected the tests.

Workers that start anew (pytest-xdist's) collect anew: ten seconds of processor time each, and half a minute in a fresh clone,
where each of them rewrites and compiles every module. Of forked ones some may wait while others compute, at no cost.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import sys
import warnings
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from typing import Any

import pytest

from tests.aws_clients import read_models
from tests.distribution import place_for, shared, units

Unit = list[int]
"""Items that one worker runs one after the other, by their places."""


class Worker:
    """One of the processes, seen from the one that collected."""

    def __init__(self, name: str, process: int, connection: Connection) -> None:
        self.name = name
        self.process = process
        self.connection = connection
        self.unit: Unit = []
        self.has: frozenset[str] = frozenset()


class Workers:
    """The plugin that runs the loop in as many processes as `-n` says."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._number = 0
        self._workers: list[Worker] = []
        self._units: deque[Unit] = deque()
        self._shared: dict[int, frozenset[str]] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        if session.config.option.collectonly or session.testsfailed:
            return None
        self._units.extend(units(session.items))
        self._shared = {unit[0]: shared(session.items, unit) for unit in self._units}
        make_ready_to_fork(session)
        for _ in range(min(self._count, len(self._units))):
            self._start(session)
        try:
            while self._workers:
                self._hear(session)
        finally:
            self._dismiss()
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
        return True

    def _start(self, session: pytest.Session) -> None:
        ours, theirs = Pipe()
        name, self._number = f"gw{self._number}", self._number + 1
        process = os.fork()
        if process == 0:
            for connection in [ours, *(worker.connection for worker in self._workers)]:
                connection.close()
            _work(session, theirs, name)
        theirs.close()
        self._workers.append(Worker(name, process, ours))

    def _hear(self, session: pytest.Session) -> None:
        by_connection = {worker.connection: worker for worker in self._workers}
        for ready in wait(list(by_connection)):
            assert isinstance(ready, Connection)
            worker = by_connection[ready]
            try:
                name, fact = ready.recv()
            except (EOFError, ConnectionError):
                self._ended(worker, session)
                continue
            if name == "next":
                self._hand_out(worker, session)
            else:
                _take(session, worker, name, fact)

    def _hand_out(self, worker: Worker, session: pytest.Session) -> None:
        """The end of the units ends the worker."""
        is_over = session.shouldfail or session.shouldstop or not self._units
        worker.unit = [] if is_over else self._next(worker)
        worker.connection.send(list(worker.unit))

    def _next(self, worker: Worker) -> Unit:
        others = Counter(name for other in self._workers if other is not worker for name in other.has)
        needs = [self._shared.get(unit[0], frozenset()) for unit in self._units]
        place = place_for(needs, worker.has, others)
        unit = self._units[place]
        del self._units[place]
        worker.has |= needs[place]
        return unit

    def _ended(self, worker: Worker, session: pytest.Session) -> None:
        self._workers.remove(worker)
        worker.connection.close()
        _, status = os.waitpid(worker.process, 0)
        if not worker.unit:
            return
        item = session.items[worker.unit.pop(0)]
        said = f"worker {worker.name} ended in this test, with {os.waitstatus_to_exitcode(status)}"
        session.config.hook.pytest_runtest_logreport(report=_failed(item, said))
        if worker.unit:
            self._units.appendleft(worker.unit)
        if self._units:
            self._start(session)

    def _dismiss(self) -> None:
        """Whoever reads from a closed connection ends."""
        for worker in self._workers:
            worker.connection.close()
        for worker in self._workers:
            os.waitpid(worker.process, 0)


IMPORTED = ("moto.cloudformation", "rich.table", "twilio.rest", "typer.main")
"""Imported late by what most runs run, and large: up to three seconds of processor time for each."""


def make_ready_to_fork(session: pytest.Session) -> None:
    """Load once what each worker would. No worker's garbage collector looks through it."""
    session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    if "moto" in sys.modules:
        read_models()
        for name in IMPORTED:
            importlib.import_module(name)
    gc.collect()
    gc.freeze()


def _take(session: pytest.Session, worker: Worker, name: str, fact: Any) -> None:
    hook = session.config.hook
    match name:
        case "report":
            report = hook.pytest_report_from_serializable(config=session.config, data=fact)
            hook.pytest_runtest_logreport(report=report)
        case "finished":
            worker.unit.remove(fact)
            item = session.items[fact]
            hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        case "warning":
            hook.pytest_warning_recorded.call_historic(kwargs=fact)
        case _:
            raise AssertionError(name)


def _failed(item: pytest.Item, said: str) -> pytest.TestReport:
    return pytest.TestReport(
        nodeid=item.nodeid, location=item.location, keywords={}, outcome="failed", longrepr=said, when="call"
    )


class _Reports:
    """Says in a worker what its tests' hooks said, to the process that collected."""

    def __init__(self, config: pytest.Config, connection: Connection) -> None:
        self._config = config
        self._connection = connection

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        hook = self._config.hook
        self._connection.send(
            ("report", hook.pytest_report_to_serializable(config=self._config, report=report))
        )

    def pytest_warning_recorded(
        self,
        warning_message: warnings.WarningMessage,
        when: str,
        nodeid: str,
        location: tuple[str, int, str] | None,
    ) -> None:
        found = warning_message
        plain = warnings.WarningMessage(str(found.message), found.category, found.filename, found.lineno)
        fact = {"warning_message": plain, "when": when, "nodeid": nodeid, "location": location}
        self._connection.send(("warning", fact))


def _work(session: pytest.Session, connection: Connection, name: str) -> None:
    """Be a worker until there is nothing more to do. Does not return."""
    status = 1
    atexit._clear()  # of what was registered before the fork the other process takes care
    try:
        _become(session, connection, name)
        _run(session, connection)
        status = 0
    finally:
        atexit._run_exitfuncs()
        os._exit(status)


def _become(session: pytest.Session, connection: Connection, name: str) -> None:
    config = session.config
    plugins = config.pluginmanager
    plugins.unregister(name="terminalreporter")
    plugins.register(_Reports(config, connection))
    capture = plugins.getplugin("capturemanager")
    capture.stop_global_capturing()
    capture.start_global_capturing()
    capture.suspend_global_capture()
    config.stash[WORKER] = name
    folders = config._tmp_path_factory  # type: ignore[attr-defined]
    folders._basetemp = Path(folders.getbasetemp()) / name
    folders._basetemp.mkdir(mode=0o700)


WORKER = pytest.StashKey[str]()


def _run(session: pytest.Session, connection: Connection) -> None:
    last: pytest.Item | None = None
    for place, after in _places(connection):
        last = session.items[place]
        # What belongs to a file ends with it, what belongs to the session goes on.
        following: Any = session if after is None else session.items[after]
        session.config.hook.pytest_runtest_protocol(item=last, nextitem=following)
        connection.send(("finished", place))
        if session.shouldfail or session.shouldstop:
            break
    if last is not None:
        _end(session, last)


def _places(connection: Connection) -> Iterator[tuple[int, int | None]]:
    """Each item's place, and the next one's in its unit."""
    while True:
        connection.send(("next", None))
        try:
            unit: Sequence[int] = connection.recv()
        except EOFError:
            return
        if not unit:
            return
        yield from zip(unit, [*unit[1:], None], strict=True)


def _end(session: pytest.Session, last: pytest.Item) -> None:
    """End the fixtures of the session. What fails there is the last test's."""
    call = pytest.CallInfo.from_call(lambda: session._setupstate.teardown_exact(None), when="teardown")
    report = last.ihook.pytest_runtest_makereport(item=last, call=call)
    if not report.passed:
        last.ihook.pytest_runtest_logreport(report=report)
