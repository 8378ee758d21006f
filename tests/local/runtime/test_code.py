"""Containers have module instances of their own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from b2bpilot.local.runtime.code import HandlerMissing, load_handler, unload_handler

SOURCE = """
from __future__ import annotations
from dataclasses import dataclass

@dataclass(frozen=True)
class Thing:
    size: int

calls = []

def handler(event, context):
    calls.append(event)
    return len(calls), Thing(1).size
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "laboratory_handler.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    return "laboratory_handler"


def test_two_containers_share_no_module_state(module: str) -> None:
    first, second = load_handler(f"{module}.handler"), load_handler(f"{module}.handler")
    assert first(None, None) == (1, 1)
    assert first(None, None) == (2, 1)
    assert second(None, None) == (1, 1)


def test_the_file_keeps_its_path_and_the_plain_name_stays_free(module: str, tmp_path: Path) -> None:
    handler = load_handler(f"{module}.handler")
    assert handler.__code__.co_filename == str(tmp_path / "laboratory_handler.py")
    assert module not in sys.modules
    assert handler.__module__ in sys.modules
    unload_handler(handler)
    assert handler.__module__ not in sys.modules


@pytest.mark.parametrize("setting", ["nowhere.to.be.found", "laboratory_handler.other", "handler"])
def test_a_handler_that_is_not_there_is_named(module: str, setting: str) -> None:
    with pytest.raises(HandlerMissing):
        load_handler(setting)
