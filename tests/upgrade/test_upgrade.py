"""A few seconds of `make upgrade` in every `make test`, and what holds it to its word."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.upgrade import version as versions
from tests.upgrade.functions import RUNNER
from tests.upgrade.report import as_text
from tests.upgrade.run import Options, run
from tests.upgrade.version import LAST_RELEASE, ROOT, THIS, VersionMissing, clean_environment, version

has_no_history = pytest.mark.skipif(
    not (ROOT / ".git").exists(), reason="a copy without its history: the last release's code is not in it"
)


@has_no_history
def test_a_short_upgrade_and_the_way_back_lose_nothing_double_nothing_and_leave_no_dead_letter() -> None:
    """Red in a shallow clone: `git fetch --unshallow --tags` brings what is missing."""
    with version() as last_release:
        summary = run(last_release, THIS, Options(seed=12, seconds=5, rate=10), progress=print)

    assert not summary.faults, as_text(summary)
    assert summary.books.total.completed > 50


@has_no_history
def test_a_release_that_is_not_in_the_clone_is_named_with_the_remedy() -> None:
    with (
        pytest.raises(VersionMissing, match=r"0000000, is not in .*`git fetch --unshallow --tags`"),
        version("0000000"),
    ):
        pass


def test_a_copy_without_its_history_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "ROOT", tmp_path)
    with (
        pytest.raises(VersionMissing, match=f"{LAST_RELEASE}, is not in .*: fatal: not a git repository"),
        version(),
    ):
        pass


def test_a_function_of_another_place_than_its_version_does_not_run(tmp_path: Path) -> None:
    """The installed package is this checkout: it must not stand in for a version whose folder has no code."""
    command = [sys.executable, str(RUNNER), str(tmp_path / "socket"), "lambdas.any.handler", str(tmp_path)]
    ended = subprocess.run(
        command,
        env=clean_environment(tmp_path),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert f"b2bpilot comes from {ROOT}" in ended.stderr
