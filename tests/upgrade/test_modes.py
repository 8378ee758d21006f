"""A few seconds of `make upgrade ARGS="--modes ..."` in every `make test`."""

from __future__ import annotations

import pytest

from tests.upgrade.modes import run
from tests.upgrade.report import as_text
from tests.upgrade.run import Options


@pytest.mark.parametrize(("way", "is_killed"), [("steps", True), ("direct", False)])
def test_a_change_of_mode_under_traffic_loses_nothing_and_doubles_nothing(way: str, is_killed: bool) -> None:
    summary = run(Options(seed=18, seconds=5, rate=20), way, is_killed=is_killed, progress=print)

    assert not summary.faults, as_text(summary)
    assert summary.books.total.completed > 30
