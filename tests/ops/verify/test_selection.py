"""Choosing checks by code and category."""

from __future__ import annotations

import pytest

from b2bpilot.errors import UsageError
from b2bpilot.ops.verify.check import Category
from b2bpilot.ops.verify.selection import select
from tests.ops.verify.deployments import check

CHECKS = [
    check("B2B001", category=Category.ACCESS),
    check("B2B010"),
    check("B2B011"),
    check("B2B075", category=Category.DATABASE),
]


def chosen(*, only: tuple[str, ...] = (), skip: tuple[str, ...] = ()) -> list[str]:
    return [one.code for one in select(CHECKS, only=only, skip=skip)]


def test_all_are_chosen_unless_something_is_said() -> None:
    assert chosen() == ["B2B001", "B2B010", "B2B011", "B2B075"]


def test_codes_and_categories_can_be_mixed_in_any_case_and_keep_the_order() -> None:
    assert chosen(only=("database", "b2b011")) == ["B2B011", "B2B075"]
    assert chosen(skip=("STACK",)) == ["B2B001", "B2B075"]
    assert chosen(only=("stack",), skip=("B2B010",)) == ["B2B011"]


def test_a_category_goes_by_what_people_call_it() -> None:
    checks = [check("B2B096", category=Category.END_TO_END), check("B2B010")]

    assert [one.code for one in select(checks, only=("e2e",), skip=())] == ["B2B096"]


@pytest.mark.parametrize(
    ("name", "hint"), [("databse", "did you mean database"), ("B2B0100", "did you mean B2B010, ")]
)
def test_an_unknown_name_is_refused_with_what_may_be_meant(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match="neither a check's code nor a category") as refused:
        chosen(skip=(name,))

    assert refused.value.hint is not None
    assert refused.value.hint.startswith(hint)


def test_nothing_left_to_run_is_refused() -> None:
    with pytest.raises(UsageError, match="no check is left"):
        chosen(only=("stack",), skip=("stack",))
