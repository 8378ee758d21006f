"""What every error of ours says of itself."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import b2bpilot
from b2bpilot.errors import NOTHING_CHANGED, PilotError, Refused


def load_everything() -> None:
    for module in pkgutil.walk_packages(b2bpilot.__path__, "b2bpilot."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def kinds_of(cls: type[PilotError]) -> Iterator[type[PilotError]]:
    yield cls
    for kind in cls.__subclasses__():
        yield from kinds_of(kind)


@pytest.fixture(scope="module")
def names() -> set[str]:
    load_everything()
    return {kind.__name__ for kind in kinds_of(PilotError)}


def test_every_refusal_says_that_nothing_was_changed(names: set[str]) -> None:
    assert {"NotConfirmed", "NotOurs"} <= names

    for kind in kinds_of(Refused):
        assert str(kind("no")) == "no. Nothing was changed", kind


def test_a_refusal_that_knows_better_says_that_instead() -> None:
    assert str(Refused("no", outcome="Nothing was sent")) == "no. Nothing was sent"
    assert str(Refused("no", outcome="")) == "no"
    assert str(PilotError("no")) == "no"


def test_no_text_of_an_error_repeats_what_its_class_says(names: set[str]) -> None:
    repeated = [
        f"{path}:{call.lineno}"
        for path in Path(b2bpilot.__file__).parent.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in names
        for text in ast.walk(call)
        if isinstance(text, ast.Constant) and NOTHING_CHANGED in str(text.value)
    ]

    assert repeated == []
