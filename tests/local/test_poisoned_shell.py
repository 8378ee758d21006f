"""A shell with settings of every other program: the local environment and its commands take none of them for theirs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from b2bpilot.local import control
from tests.poison import POISON

Answer = dict[str, Any]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "home"
    control.down(tmp_path / "home")


def b2bpilot(home: Path, *arguments: str) -> Answer:
    """Run a command in the poisoned shell; its document."""
    environment = {**os.environ, **POISON, "B2BPILOT_HOME": str(home), "HOME": str(home.parent)}
    command = [sys.executable, "-m", "b2bpilot", *arguments, "-o", "json"]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False, cwd="/"
    )
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
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
