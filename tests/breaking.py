"""Naming the checks of `b2bpilot verify` that a test makes fail: tests/ops/verify/test_catalogue.py wants one for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Test = TypeVar("Test", bound=Callable[..., object])


def breaks(*codes: str) -> Callable[[Test], Test]:
    """Say that a test sees these checks fail. Write the codes out: they are looked for in the text of the tests."""

    def same(test: Test) -> Test:
        return test

    assert codes
    return same
