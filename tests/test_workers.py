"""`-n`: what forked workers say is what one process says, also when one of them dies."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests import distribution

ROOT = Path(__file__).parents[1]
CONFTEST = """
import atexit
from pathlib import Path

import pytest
from tests.workers import Workers
from tests import distribution

distribution.EACH_ALONE = ("test_alone.py",)

def pytest_configure(config):
    config.pluginmanager.register(Workers(3))

def note(text):
    with Path(__file__).with_name("ended").open("a") as file:
        file.write(text + " ")

atexit.register(note, "parent")

@pytest.fixture
def ending():
    atexit.register(note, "worker")

@pytest.fixture(scope="session")
def broken_at_its_end():
    yield
    raise RuntimeError("the session's fixture broke")
"""
FILES = {
    "conftest.py": CONFTEST,
    "test_killed.py": """
import os, signal

def test_before(): print("before the end")
def test_kill(): os.kill(os.getpid(), signal.SIGKILL)
def test_rest(): print("after the end")
""",
    "test_alone.py": """
import pytest, warnings

def test_fail(tmp_path):
    print("printed by the one that fails")
    assert tmp_path.parent.parent.name == "gw9"

@pytest.mark.parametrize("number", range(5))
def test_pass(number): print("printed by one that passes")

def test_warn(): warnings.warn("look here")
""",
    "test_session.py": """
import pytest

def test_session(broken_at_its_end, ending): pass

@pytest.mark.skip(reason="not now")
def test_skip(): pass
""",
}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    for name, text in FILES.items():
        (folder / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_DEBUG_TEMPROOT": str(folder)}
    return subprocess.run(
        [*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_parent_says_what_its_workers_saw(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 1, done.stdout
    assert "2 failed, 9 passed, 1 skipped, 2 warnings, 1 error" in done.stdout
    assert "FAILED test_killed.py::test_kill" in done.stdout
    assert "ended in this test, with -9" in done.stdout
    assert "FAILED test_alone.py::test_fail" in done.stdout
    assert "printed by the one that fails" in done.stdout
    assert "printed by one that passes" not in done.stdout
    assert "the session's fixture broke" in done.stdout
    assert "not now" in done.stdout
    assert "look here" in done.stdout


def test_a_process_cleans_up_what_is_its_own(tmp_path: Path) -> None:
    run(tmp_path, "test_session.py")
    assert (tmp_path / "ended").read_text() == "worker parent "


def test_the_first_failure_can_end_a_run(tmp_path: Path) -> None:
    done = run(tmp_path, "-x", "test_alone.py")
    assert done.returncode == 1, done.stdout
    assert "stopping after 1 failures" in done.stdout


@pytest.mark.parametrize(
    ("needs", "has", "others", "place"),
    [
        (["", "a", "b"], "", {}, 0),
        (["", "a", "b"], "b", {"b": 1}, 2),
        (["a", "b", ""], "", {"a": 2, "b": 1}, 2),
        (["a", "b"], "", {"a": 1, "b": 1}, 0),
        (["b", "a", "ab"], "", {"a": 2, "b": 1}, 0),
        (["ab", "a"], "a", {"b": 1}, 1),
    ],
    ids=[
        "the longest first",
        "what it has started first",
        "nothing that enough others have",
        "unless not enough have it",
        "or nothing else is left",
        "nothing of which others have a part",
    ],
)
def test_what_is_costly_to_start_is_started_by_few_workers(
    monkeypatch: pytest.MonkeyPatch, needs: list[str], has: str, others: dict[str, int], place: int
) -> None:
    monkeypatch.setattr(distribution, "SHARED", {"a": 2, "b": 1})
    left = [frozenset(needed) for needed in needs]
    assert distribution.place_for(left, frozenset(has), Counter(others)) == place


def test_the_fixtures_that_few_workers_start_are_there() -> None:
    text = (ROOT / "tests/local/conftest.py").read_text()
    assert all(f"def {name}(" in text for name in distribution.SHARED)
