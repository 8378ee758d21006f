"""A shell with settings of every other program: the local environment and its commands take none of them for theirs.

The wheel is installed, and no checkout is near: what these commands need is in it.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from b2bpilot.local import control
from tests.poison import POISON
from tests.wheel import installed_wheel

Answer = dict[str, Any]


@pytest.fixture
def home() -> Iterator[Path]:
    """In a folder of its own, short: the socket's path has to fit, and no other temporary folder is known."""
    with tempfile.TemporaryDirectory(prefix="b2b-") as temporary:
        (Path(temporary) / "empty").mkdir()
        yield Path(temporary) / "home"
        control.down(Path(temporary) / "home")


def b2bpilot(home: Path, *arguments: str) -> Answer:
    """Run a command in the poisoned shell; its document."""
    empty = home.parent / "empty"
    own = {"B2BPILOT_HOME": str(home), "HOME": str(empty), "TMPDIR": str(home.parent)}
    command = [installed_wheel() / "bin" / "b2bpilot", *arguments, "-o", "json"]
    done = subprocess.run(
        command, env={**os.environ, **POISON, **own}, capture_output=True, text=True, check=False, cwd=empty
    )
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    if arguments[:2] == ("local", "up"):
        assert "Send a message: b2bpilot publish -e local --body Hello --wait\n" in done.stderr
    return dict(json.loads(done.stdout))


def test_up_publish_reading_commands_and_down_in_a_poisoned_shell(home: Path) -> None:
    up = b2bpilot(home, "local", "up", "--detach")
    assert up["running"]
    for via in ("topic", "webhook"):
        b2bpilot(home, "publish", "-e", "local", "--via", via, "--wait")
    rows = b2bpilot(home, "submissions", "list", "-e", "local")["submissions"]
    assert [row["status"] for row in rows] == ["completed", "completed"]
    for command in (["status"], ["dlq", "list"], ["subscribers"], ["twilio", "route"], ["verify"]):
        b2bpilot(home, *command, "-e", "local")
    assert b2bpilot(home, "local", "down")["ended"]


def test_the_demonstration_holds_in_a_poisoned_shell_and_leaves_nothing_behind(home: Path) -> None:
    story = b2bpilot(home, "demo")
    assert story["held"] is True
    assert story["scene_5"]["recovered"] == story["scene_5"]["missing"] == 2
    assert story["scene_6"]["rows"] == story["scene_6"]["accepted"] == 12
    assert [path.name for path in home.parent.iterdir()] == ["empty"]
    assert list((home.parent / "empty").iterdir()) == []
