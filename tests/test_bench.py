"""What `make bench` writes and what it fails on. How fast anything is, no test says."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import results
from bench.row import BenchRow, Goal, at_least, at_most, ratios
from bench.rows import BENCHES

ROWS = [row for bench in BENCHES for row in bench.rows]


def test_each_row_has_a_name_of_its_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert len({bench.name for bench in BENCHES}) == len(BENCHES)


def test_the_document_says_what_was_recorded() -> None:
    assert results.MARKDOWN.read_text() == results.markdown(BENCHES, results.read())


def test_a_ratio_is_the_median_of_the_turns_own_ratios() -> None:
    row = BenchRow(name="any", way="ours", baseline="plain", goal=None, unit="s")
    turns = [{"ours": 1.0, "plain": 2.0}, {"ours": 9.0, "plain": 10.0}, {"ours": 2.0, "plain": 2.0}]

    found = ratios(turns, row)

    assert found is not None
    assert (found.least, found.median, found.most) == (0.5, 0.9, 1.0)


@pytest.mark.parametrize(
    ("goal", "recorded", "today", "is_far"),
    [
        (at_most(0.8), 0.7, 1.3, False),
        (at_most(0.8), 0.7, 1.4, True),
        (at_most(0.8), 0.7, 0.1, False),
        (at_least(20), 27, 14, False),
        (at_least(20), 27, 13.5, True),
        (at_least(20), 27, 90, False),
    ],
)
def test_only_what_is_twice_as_bad_fails(goal: Goal, recorded: float, today: float, is_far: bool) -> None:
    assert goal.is_far_from(today, recorded) is is_far


@pytest.mark.parametrize("document", results.DOCUMENTS, ids=lambda path: path.name)
def test_a_document_s_figures_are_the_recorded_ones(document: Path) -> None:
    text = document.read_text()

    assert {name for _, name, _, _ in results.CITED.findall(text)} <= results.read().keys()
    assert results.with_figures(text, BENCHES, results.read()) == text


def test_a_figure_in_a_document_is_written_anew() -> None:
    recorded = results.read()
    text = "takes <!-- bench help ratio -->0.00 x<!-- --> of it"

    assert "0.00 x" not in results.with_figures(text, BENCHES, recorded)
