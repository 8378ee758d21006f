"""The rules of CONTRIBUTING.md that no linter knows.

An exception stands in tests/house_exceptions.py with its reason on its line. The lists only shrink: one that is no exception
any more fails, too, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from bench.house import concepts, imports
from bench.house.sources import Module, modules, texts
from tests import house_exceptions

LONGEST_FUNCTION = 60
PORTS = ("b2bpilot.ops.ports", "b2bpilot.pipeline.")


@pytest.fixture(scope="module")
def house() -> list[Module]:
    """Not kept any longer than this file: it is half a million objects."""
    return modules(texts())


def changed(found: Iterable[str], excepted: Mapping[str, str]) -> list[str]:
    """What is wrong, a line each: a new one, or one that is listed and gone."""
    found = set(found)
    return [
        *(f"new: {one}" for one in sorted(found - excepted.keys())),
        *(f"gone, so remove its line: {one}" for one in sorted(excepted.keys() - found)),
    ]


def test_a_class_name_has_one_meaning(house: list[Module]) -> None:
    shared = (f"{len(homes)} {name}" for name, homes in concepts.shared_names(house).items())

    assert changed(shared, house_exceptions.SHARED_NAMES) == []


def test_protocols_stand_with_the_ports(house: list[Module]) -> None:
    elsewhere = (
        f"{module.name} {definition.name}"
        for module, definition in concepts.classes(house)
        if concepts.is_protocol(definition) and not module.name.startswith(PORTS)
    )
    assert changed(elsewhere, house_exceptions.PROTOCOLS) == []


def test_a_function_fits_on_a_screen(house: list[Module]) -> None:
    long = (
        f"{module.name} {definition.name}"
        for module, definition in concepts.functions(house)
        if concepts.length(definition) > LONGEST_FUNCTION
    )
    assert changed(long, house_exceptions.LONG_FUNCTIONS) == []


def test_no_modules_import_each_other_in_a_circle(house: list[Module]) -> None:
    """Lazy imports count: a circle that is closed inside a function is one."""
    circles = imports.circles(imports.graph(house, lazy=True))

    assert changed(map(" ".join, circles), house_exceptions.CIRCLES_OF_MODULES) == []


def test_no_folders_of_ops_import_each_other_in_a_circle(house: list[Module]) -> None:
    """A module directly in ops stands for itself."""
    circles = imports.circles(_rooms(house))

    assert changed(map(" ".join, circles), house_exceptions.CIRCLES_OF_ROOMS) == []


def test_the_product_lets_time_pass_in_one_place() -> None:
    """A test stops the clock of b2bpilot/pipeline/waiting.py; a sleep beside it would take its time."""
    product = ("b2bpilot/", "lambdas/", "acceptance/")
    sleeping = [name for name, text in texts().items() if name.startswith(product) and "time.sleep(" in text]

    assert sleeping == ["b2bpilot/pipeline/waiting.py"]


def _rooms(found: Iterable[Module]) -> imports.Graph:
    within = [module for module in found if module.name.startswith("b2bpilot.ops.")]
    return imports.joined(imports.graph(within, lazy=True), {module.name: module.room for module in within})


@pytest.mark.parametrize(
    "excepted", [name for name in vars(house_exceptions) if name.isupper() and name != "TO_DO"]
)
def test_each_exception_is_argued(excepted: str) -> None:
    assert all(reason.strip() for reason in getattr(house_exceptions, excepted).values())


def test_a_new_exception_fails_and_one_that_is_not_needed_any_more() -> None:
    assert changed(["2 Plan", "3 Kind"], {"3 Kind": "said", "4 Plan": "said"}) == [
        "new: 2 Plan",
        "gone, so remove its line: 4 Plan",
    ]
