"""The catalogue as a whole: codes that mean one thing, and a test that makes each check fail."""

from __future__ import annotations

import re
from collections import Counter
from itertools import groupby
from pathlib import Path

from b2bpilot.ops.verify.catalogue import CHECKS
from b2bpilot.ops.verify.check import Category

TESTS = Path(__file__).parents[2]
BREAKS = re.compile(r"(?:@breaks|[Bb]reakage)\(\s*(?P<codes>(?:\"B2B\d{3}\"(?:,\s*)?)+)")
"""`@breaks("B2B010")` above a test, and the rows of tests/local/verify_breakages.py."""
CODE = re.compile(r"B2B\d{3}")


def broken_by_tests() -> set[str]:
    texts = [path.read_text(encoding="utf-8") for path in TESTS.rglob("*.py")]
    return {code for text in texts for found in BREAKS.findall(text) for code in CODE.findall(found)}


def test_each_check_has_a_test_that_makes_it_fail() -> None:
    untested = {check.code for check in CHECKS} - broken_by_tests()

    assert untested == set()


def test_no_test_breaks_a_check_that_is_not_there() -> None:
    assert broken_by_tests() - {check.code for check in CHECKS} == set()


def test_a_code_means_one_check() -> None:
    codes = Counter(check.code for check in CHECKS)

    assert [code for code, count in codes.items() if count > 1] == []
    assert all(CODE.fullmatch(code) for code in codes)


def test_what_a_check_needs_is_a_check_and_not_in_a_circle() -> None:
    needs = {check.code: {*check.needs, *check.unless_failed} for check in CHECKS}
    settled: set[str] = set()
    while ready := {code for code, needed in needs.items() if needed <= settled} - settled:
        settled |= ready

    assert needs.keys() - settled == set()


def test_categories_come_in_their_order_and_in_one_piece() -> None:
    shown = [category for category, _ in groupby(CHECKS, lambda check: check.category)]

    assert shown == [category for category in Category if category in shown]


def test_every_check_says_what_it_states_and_why_in_one_line() -> None:
    for check in CHECKS:
        assert check.statement == check.statement.strip()
        assert not check.statement.endswith(".")
        assert check.why.endswith(".")
        assert "\n" not in check.why + str(check.fix)
