"""A few seconds of `make faults` in every `make test`."""

from __future__ import annotations

from pathlib import Path

from tests.faults.episodes import EPISODES
from tests.faults.options import Options
from tests.faults.run import run
from tests.faults.summary import as_text
from tests.faults.traffic import Kind

LONG = ("black hole", "held", "locked")
"""Episodes after which a run that died silently waits for the stale processor, whose schedule is a minute."""


def test_a_few_seconds_of_faults_lose_nothing_double_nothing_and_leave_true_journals(tmp_path: Path) -> None:
    options = Options(seed=16, minutes=0.1, rate=15, operators=1, time_scale=120, samples=1)
    short = {name: episode for name, episode in EPISODES.items() if not any(word in name for word in LONG)}

    summary = run(tmp_path / "home", options, episodes=short)

    assert summary.balances, as_text(summary)
    assert len(summary.sent) > 50
    assert sum(summary.episodes.values()) > 1
    assert len(summary.commands) > 3
    assert any(sent.kind is Kind.LOCATION for sent in summary.sent)
