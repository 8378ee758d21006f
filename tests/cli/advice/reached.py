"""Which commands ask the table, read from the code: those whose modules ask the Pilot for it, or for its database."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import b2bpilot
from b2bpilot.cli.app import program

ROOT = Path(b2bpilot.__file__).parents[1]
ASKED = frozenset({"table", "database", "database_url", "given_database"})
COMMANDS = "b2bpilot.cli."
FRAME = "b2bpilot.cli.frame"


def asking_the_table() -> set[tuple[str, ...]]:
    return {
        name for name, module in _functions(program()) if any(_asks(one) for one in _reached(module, set()))
    }


def _functions(group: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    for word in group.commands:
        command, name = group.commands[word], (*before, word)
        if hasattr(command, "commands"):
            yield from _functions(command, name)
        else:
            yield name, inspect.unwrap(command.callback).__module__


def _reached(module: str, seen: set[str]) -> set[str]:
    if module.startswith(COMMANDS) and not module.startswith(FRAME) and module not in seen and _tree(module):
        seen.add(module)
        for node in ast.walk(_tree(module)):
            if isinstance(node, ast.ImportFrom) and node.module:
                for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                    _reached(name, seen)
    return seen


@cache
def _tree(module: str) -> Any:
    place = ROOT / module.replace(".", "/")
    files = (place.with_suffix(".py"), place / "__init__.py")
    return next((ast.parse(file.read_text(encoding="utf-8")) for file in files if file.exists()), None)


def _asks(module: str) -> bool:
    return any(
        isinstance(node, ast.Attribute) and node.attr in ASKED and ast.unparse(node.value).startswith("pilot")
        for node in ast.walk(_tree(module))
    )
