"""Classes and functions: how many there are, and how long."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator

from bench.house.sources import Module

Function = ast.FunctionDef | ast.AsyncFunctionDef


def classes(modules: Iterable[Module]) -> Iterator[tuple[Module, ast.ClassDef]]:
    """Yield each class, nested ones too, with its module."""
    return ((module, node) for module in modules for node in module.nodes if isinstance(node, ast.ClassDef))


def is_protocol(definition: ast.ClassDef) -> bool:
    """Whether it derives from Protocol itself; a class that implements one doesn't count."""
    return any("Protocol" in ast.unparse(base) for base in definition.bases)


def shared_names(modules: Iterable[Module]) -> dict[str, list[str]]:
    """Return the modules of each class name that more than one module defines."""
    homes: dict[str, set[str]] = defaultdict(set)
    for module, definition in classes(modules):
        homes[definition.name].add(module.name)
    return {name: sorted(places) for name, places in sorted(homes.items()) if len(places) > 1}


def functions(modules: Iterable[Module]) -> Iterator[tuple[Module, Function]]:
    """Yield each function, methods and nested ones too, with its module."""
    return ((module, node) for module in modules for node in module.nodes if isinstance(node, Function))


def length(definition: Function) -> int:
    """Return its lines from `def` to the end, docstring included, decorators not."""
    return (definition.end_lineno or definition.lineno) - definition.lineno + 1
