"""The figures of one state of the code, each under a heading that says what was counted."""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping

from bench.house import citations, concepts, imports
from bench.house.sources import Module, modules

ENTRY = "b2bpilot.cli.dlq.redrive"
"""The command `dlq redrive`, where a dead letter's walk begins."""

ROOMS = re.compile(r"b2bpilot\.ops\.(dead_?letters|redrive|redrive_in_aws)(\.|$)")
"""What is about dead letters and nothing else, however it was called."""


def report(files: Mapping[str, str]) -> dict[str, str]:
    """Return the figures by their headings."""
    found = modules(dict(files))
    return {
        **_sizes(found),
        **_concepts(found),
        **_lengths(found),
        **_circles(found),
        **_walk(found),
        "references to documents that are not in the repository": f"{len(citations.absent(files)):,}",
    }


def _sizes(found: list[Module]) -> dict[str, str]:
    return {
        "lines of b2bpilot and lambdas (.py)": f"{sum(len(module.text.splitlines()) for module in found):,}",
        "files": f"{len(found):,}",
    }


def _concepts(found: list[Module]) -> dict[str, str]:
    definitions = [definition for _, definition in concepts.classes(found)]
    return {
        "classes": f"{len(definitions):,}",
        "protocols": f"{sum(map(concepts.is_protocol, definitions)):,}",
        "class names that more than one module defines": f"{len(concepts.shared_names(found)):,}",
    }


def _lengths(found: list[Module]) -> dict[str, str]:
    lengths = sorted(concepts.length(definition) for _, definition in concepts.functions(found))
    ninth = lengths[len(lengths) * 9 // 10]
    return {
        "functions": f"{len(lengths):,}",
        "lines of a function: median, p90, longest": f"{statistics.median(lengths):g}, {ninth}, {lengths[-1]}",
    }


def _circles(found: list[Module]) -> dict[str, str]:
    eager, all_imports = imports.graph(found, lazy=False), imports.graph(found, lazy=True)
    room = {module.name: module.room for module in found}
    return {
        "circles of modules (with lazy imports)": _count(eager, all_imports),
        "circles of folders (with lazy imports)": _count(
            imports.joined(eager, room), imports.joined(all_imports, room)
        ),
        "indented imports": f"{sum(map(imports.indented, found)):,}",
    }


def _count(eager: imports.Graph, all_imports: imports.Graph) -> str:
    return " ".join(
        pattern.format(_groups(imports.circles(each)))
        for pattern, each in (("{}", eager), ("({})", all_imports))
    )


def _groups(circles: list[list[str]]) -> str:
    """`2: 3+2` are two circles, of three and of two members."""
    return f"{len(circles)}: {'+'.join(str(len(circle)) for circle in circles)}" if circles else "0"


def _walk(found: list[Module]) -> dict[str, str]:
    """What the code of `dlq redrive` imports, lazily too, whether or not one dead letter passes all of it."""
    all_imports = imports.graph(found, lazy=True)
    rooms = {name for name in all_imports if ROOMS.match(name)}
    arrows = sum(len(all_imports[name] & rooms) for name in rooms)
    reached = imports.reachable(ENTRY, all_imports) - {ENTRY} if ENTRY in all_imports else frozenset()
    return {
        "modules about dead letters (ops), imports among them": f"{len(rooms)}, {arrows}",
        "of them in reach of `dlq redrive`": f"{len(reached & rooms)}",
        "all modules of ops in reach of `dlq redrive`": f"{sum(name.startswith('b2bpilot.ops') for name in reached)}",
    }
