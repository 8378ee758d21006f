"""An event on its way from the emulator to the runtime is in one of the two, whatever the runtime does."""

from __future__ import annotations

import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from b2bpilot.local import bridge
from b2bpilot.local.bridge import NotAccepted, Runtime
from b2bpilot.local.runtime.events import EventQueue
from b2bpilot.local.runtime.server import RuntimeServer
from tests.local.polling import eventually
from tests.local.runtime.conftest import Laboratory

OFFERS = 40


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.sqlite3"


@pytest.fixture
def server() -> Iterator[RuntimeServer]:
    found = RuntimeServer()
    yield found
    found.server_close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "ACCEPT_PAUSE_SECONDS", 0.01)


def nobody() -> str:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{closed.getsockname()[1]}"


def waiting(path: Path) -> list[bytes]:
    with closing(EventQueue(path)) as events:
        return sorted(event.payload for event in events.unfinished())


def delivering(runtime: Runtime, count: int) -> list[threading.Thread]:
    threads = [
        threading.Thread(target=runtime.deliver, args=("f", number), daemon=True) for number in range(count)
    ]
    for thread in threads:
        thread.start()
    return threads


def numbers(count: int) -> list[bytes]:
    return sorted(str(number).encode() for number in range(count))


def test_who_invokes_hears_that_the_runtime_did_not_take_the_event(path: Path) -> None:
    with pytest.raises(NotAccepted, match="took no event for f"):
        Runtime(nobody(), path, key="k").accept("f", {})
    assert waiting(path) == []


def test_a_delivery_goes_on_until_the_runtime_takes_it(path: Path, server: RuntimeServer) -> None:
    """Its disk is full at first."""
    laboratory = Laboratory(path)
    ran: list[object] = []
    laboratory.function("f", lambda event, _context: ran.append(event))
    refused = threading.Event()

    class Invoker:
        invoke = laboratory.runtime.invoke
        count_topic = laboratory.runtime.count_topic

        def accept(self, name: str, payload: bytes, request_id: str) -> None:
            if not refused.is_set():
                refused.set()
                raise sqlite3.OperationalError("database or disk is full")
            laboratory.runtime.accept(name, payload, request_id)

    laboratory.runtime.start()
    server.start(Invoker())
    delivering(Runtime(server.url, path, key=server.key), OFFERS)
    eventually(lambda: len(ran) == OFFERS, "all were delivered")
    assert refused.is_set()
    assert sorted(ran) == list(range(OFFERS))
    server.shutdown()
    laboratory.runtime.stop()
    laboratory.events.close()


def test_what_is_not_taken_when_the_emulator_ends_is_on_disk_though_the_disk_was_locked(path: Path) -> None:
    EventQueue(path).close()
    runtime = Runtime(nobody(), path, key="k")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        threads = delivering(runtime, OFFERS)
        ending = threading.Thread(target=runtime.end)
        ending.start()
        assert all(thread.is_alive() for thread in threads)
        other.execute("ROLLBACK")
    ending.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert waiting(path) == numbers(OFFERS)
