"""Who imports whom, circles among them, and what can be reached from where."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from bench.house.sources import Module

Graph = Mapping[str, frozenset[str]]


def graph(modules: Iterable[Module], *, lazy: bool) -> Graph:
    """Return which of the modules each one imports. `lazy`: inside functions, too, and for types only.

    `import a.b` means a.b alone, though Python runs a/__init__.py, too.
    """
    modules = list(modules)
    names = {module.name for module in modules}
    return {module.name: frozenset(_imported(module, names, lazy=lazy) - {module.name}) for module in modules}


def joined(imports: Graph, room: Mapping[str, str]) -> Graph:
    """Return which rooms each room imports; `room` names that of each module."""
    found: dict[str, set[str]] = {name: set() for name in room.values()}
    for name, others in imports.items():
        found[room[name]] |= {room[other] for other in others} - {room[name]}
    return {name: frozenset(others) for name, others in found.items()}


def circles(imports: Graph) -> list[list[str]]:
    """Return the groups whose members all reach each other, the largest first (Kosaraju)."""
    backwards: dict[str, set[str]] = defaultdict(set)
    for name, others in imports.items():
        for other in others:
            backwards[other].add(name)
    seen: set[str] = set()
    groups = []
    for root in reversed(_finished(imports)):
        if root not in seen:
            group = reachable(root, backwards, without=seen)
            seen |= group
            groups.append(sorted(group))
    return sorted((group for group in groups if len(group) > 1), key=lambda group: (-len(group), group))


def reachable(
    root: str, imports: Mapping[str, Iterable[str]], *, without: Iterable[str] = ()
) -> frozenset[str]:
    """Return what the root reaches, itself included, on ways that touch nothing of `without`."""
    refused, found, todo = frozenset(without), {root}, [root]
    while todo:
        fresh = set(imports.get(todo.pop(), ())) - found - refused
        found |= fresh
        todo += fresh
    return frozenset(found)


def indented(module: Module) -> int:
    """Return how many import statements stand inside something."""
    return sum(statement not in module.body for statement in _statements(module))


def _imported(module: Module, names: set[str], *, lazy: bool) -> set[str]:
    statements = _statements(module) if lazy else module.body
    return {name for statement in statements for name in _targets(statement, names)}


def _statements(module: Module) -> Iterator[ast.stmt]:
    return (node for node in module.nodes if isinstance(node, ast.Import | ast.ImportFrom))


def _targets(statement: ast.stmt, names: set[str]) -> Iterator[str]:
    match statement:
        case ast.Import(names=aliases):
            yield from (alias.name for alias in aliases if alias.name in names)
        case ast.ImportFrom(module=str(origin), names=aliases, level=0):
            for alias in aliases:
                inner = f"{origin}.{alias.name}"
                yield from (name for name in (inner if inner in names else origin,) if name in names)
        case _:
            return


def _finished(imports: Graph) -> list[str]:
    """All names, each after what it imports."""
    order: dict[str, None] = {}
    seen: set[str] = set()
    for root in imports:
        todo = [(root, iter(imports[root]))] if root not in seen else []
        seen.add(root)
        while todo:
            name, others = todo[-1]
            fresh = next((other for other in others if other not in seen), None)
            if fresh is None:
                order[name] = None
                todo.pop()
            else:
                seen.add(fresh)
                todo.append((fresh, iter(imports[fresh])))
    return list(order)
