"""Containers have module instances of their own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from b2bpilot.local.runtime.code import HandlerMissing, load_handler, unload_handler
from tests.local.runtime.conftest import Laboratory

SOURCE = """
from __future__ import annotations
from dataclasses import dataclass

@dataclass(frozen=True)
class Thing:
    size: int

calls = []
ended = []

def handler(event, context):
    calls.append(event)
    return len(calls), Thing(1).size

def end():
    ended.append(len(calls))
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "laboratory_handler.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    return "laboratory_handler"


def test_two_containers_share_no_module_state(module: str) -> None:
    first, second = load_handler(f"{module}.handler", {}), load_handler(f"{module}.handler", {})
    assert first(None, None) == (1, 1)
    assert first(None, None) == (2, 1)
    assert second(None, None) == (1, 1)


def test_the_file_keeps_its_path_and_the_plain_name_stays_free(module: str, tmp_path: Path) -> None:
    handler = load_handler(f"{module}.handler", {})
    assert handler.__code__.co_filename == str(tmp_path / "laboratory_handler.py")
    assert module not in sys.modules
    assert handler.__module__ in sys.modules
    unload_handler(handler)
    assert handler.__module__ not in sys.modules


def test_unloading_ends_what_the_module_holds(module: str) -> None:
    handler = load_handler(f"{module}.handler", {})
    handler(None, None)
    unload_handler(handler)
    assert handler.__globals__["ended"] == [1]


def test_unloading_ends_a_handler_that_holds_something_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a subscriber's does (b2bpilot/subscriber/once.py): it is an object with its code's module for a name."""
    (tmp_path / "decorated_handler.py").write_text(
        "from b2bpilot.subscriber.once import once\nhandler = once('analytics')(lambda message, connection: None)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    handler = load_handler("decorated_handler.handler", {})
    ended: list[str] = []
    handler.end = lambda: ended.append("ended")

    unload_handler(handler)

    assert ended == ["ended"]
    assert handler.__module__ not in sys.modules


def test_only_what_was_loaded_is_unloaded() -> None:
    unload_handler(test_only_what_was_loaded_is_unloaded)
    assert __name__ in sys.modules


def test_a_handler_that_is_an_object_ends_itself(laboratory: Laboratory) -> None:
    """One that stands for code elsewhere, in a process of its own."""

    class Elsewhere:
        ended = 0

        def __call__(self, event: object, context: object) -> None: ...

        def end(self) -> None:
            self.ended += 1

    handler = Elsewhere()
    laboratory.function("f", handler)
    laboratory.runtime.invoke("f", b"{}", "id-1")
    laboratory.runtime.stop()
    assert handler.ended == 1


def test_a_runtime_that_stops_ends_its_containers(module: str, laboratory: Laboratory) -> None:
    """A handler holds a connection to the database, which must not outlive the environment."""
    handler = load_handler(f"{module}.handler", {})
    laboratory.function("f", handler)
    laboratory.runtime.invoke("f", b"{}", "id-1")
    laboratory.runtime.stop()
    assert handler.__globals__["ended"] == [1]


@pytest.mark.parametrize("setting", ["nowhere.to.be.found", "laboratory_handler.other", "handler"])
def test_a_handler_that_is_not_there_is_named(module: str, setting: str) -> None:
    with pytest.raises(HandlerMissing):
        load_handler(setting, {})


def test_each_container_has_its_functions_own_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All share a process: by `os.environ` the webhook would be told of the database's secret."""
    source = 'from os import environ\n\ndef handler(event, context):\n    return environ.get("NAME")\n'
    (tmp_path / "variable_handler.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("NAME", "the process's")

    first, second = (load_handler("variable_handler.handler", {"NAME": name}) for name in "ab")
    third = load_handler("variable_handler.handler", {})

    assert [each(None, None) for each in (first, second, third)] == ["a", "b", None]
    for each in (first, second, third):
        unload_handler(each)
