"""What tests/forked.py starts is a process as any other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests import forked
from tests.forked import ROOT, Forked
from tests.once import TEMPORARY

PYTHON = [sys.executable, "-m"]


def test_a_command_has_its_own_folder_variables_files_and_exit_code(tmp_path: Path) -> None:
    command = [*PYTHON, "b2bpilot", "publish", "--body"]
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    with (tmp_path / "errors").open("w") as errors, Forked(command, stderr=errors, env=environ) as process:
        assert process.wait(60) == 2
    assert "--body" in (tmp_path / "errors").read_text()

    printed = [*PYTHON, "json.tool", "given.json"]
    (tmp_path / "given.json").write_text("[1]")
    with Forked([*printed, "--compact"], stdout=subprocess.PIPE, text=True, cwd=tmp_path, env={}) as process:
        assert process.communicate() == ("[1]\n", None)
    assert process.returncode == 0
    with Forked([*PYTHON, "json.tool"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert "Expecting value" in process.communicate("no document")[1]
    assert process.returncode == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_takes_signals_and_tells_how_it_ended(number: signal.Signals) -> None:
    waits = {"stdin": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with Forked([*PYTHON, "json.tool"], **waits) as process:
        assert process.poll() is None
        assert psutil.Process(process.pid).is_running()
        process.send_signal(number)
        assert process.wait(60) == -number
    assert not psutil.pid_exists(process.pid)


def test_a_command_is_run_to_its_end_and_its_process_is_told() -> None:
    heard: list[int] = []
    ended = forked.run("--version", environ={}, started=heard.append)
    assert (ended.code, ended.errors) == (0, "")
    assert ended.output.startswith("b2bpilot ")
    assert heard != [os.getpid()]


def test_without_pytest_a_run_has_a_folder_until_its_end() -> None:
    """As `make faults` and `make upgrade` use what tests share."""
    imports = "from pathlib import Path; from tests.once import once"
    code = f"{imports}; print(*[once('made', Path.mkdir) for _ in range(2)])"
    environ = {name: value for name, value in os.environ.items() if name != TEMPORARY}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    )
    first, second = done.stdout.split()
    assert first == second
    assert not Path(first).parent.exists()
