"""kill -9 of real processes against an emulator: what was discarded or restored half goes on where it stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from b2bpilot.local.emulator_process import free_port
from b2bpilot.ops.runs.record import Stage, read
from tests.cli.conftest import OUTPUTS, REGION, Result, create_stack
from tests.cli.dlq.dead_letters import DeadLetters
from tests.events import message

ACCOUNT = "123456789012"
READY_SECONDS = 30


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An AWS emulator of its own."""
    port = free_port(0)
    settings = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "LOG_LEVEL": "ERROR",
    }
    command = [sys.executable, "-m", "ministack"]
    with subprocess.Popen(
        command, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as emulator:
        endpoint = f"http://127.0.0.1:{port}"
        _wait_until_ready(f"{endpoint}/_ministack/health")
        for name, value in aws_settings(endpoint).items():
            monkeypatch.setenv(name, value)
        yield endpoint
        emulator.send_signal(signal.SIGKILL)


def aws_settings(endpoint: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "testing",
    }


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    with urllib3.PoolManager(retries=False) as http:
        while time.monotonic() < deadline:
            try:
                if http.request("GET", url, timeout=1).status == 200:
                    return
            except urllib3.exceptions.HTTPError:
                time.sleep(0.02)
    pytest.fail("the emulator did not start")


def the_journal(home: Path, command: str) -> Path:
    (path,) = (home / "runs").glob(f"*-{command}-*.jsonl")
    return path


def shell(*arguments: str, home: Path, endpoint: str) -> subprocess.Popen[str]:
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "B2BPILOT_HOME": str(home),
        "B2BPILOT_ENV": "staging",
        "B2BPILOT_DATABASE_URL": "postgresql://me@127.0.0.1:9/none",
        **aws_settings(endpoint),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "b2bpilot", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(process: subprocess.Popen[str]) -> Result:
    text, _ = process.communicate(timeout=120)
    return Result(exit_code=process.returncode, stdout=text, stderr="")


def test_processes_killed_in_the_middle_lose_and_double_nothing(tmp_path: Path, endpoint: str) -> None:
    """kill -9 of a discard and of its restore, each at three moments, and each brought to its end by `runs resume`."""
    home, count = tmp_path / "pilot", 200
    dead_letters = DeadLetters()
    outputs = {**OUTPUTS, "DeadLetterQueueUrl": dead_letters.url, "TopicArn": "arn:x", "SecretArn": "arn:y"}
    create_stack("staging", outputs)
    for number in range(count):
        dead_letters.put(message(params={"Body": str(number)}))
    before = dead_letters.contents()
    assert len(before) == count

    run_id = killed_until_done(
        home,
        endpoint,
        "discard",
        ["dlq", "discard", "--group", "G1", "--yes"],
        moments=(count + 5, 20, 45),
        exit_code=4,
    )
    assert dead_letters.contents() == []
    assert read(the_journal(home, "discard")).stages() == {Stage.DELETED: count}

    killed_until_done(
        home, endpoint, "restore", ["dlq", "restore", run_id, "--yes"], moments=(1, 20, 45), exit_code=0
    )
    assert dead_letters.contents() == before


def killed_until_done(
    home: Path, endpoint: str, command: str, arguments: list[str], *, moments: tuple[int, ...], exit_code: int
) -> str:
    """Kill the command, and each resume of it, when its journal has got so many more lines; then let it end.

    No database is there: a discard says that it marked no row.
    """
    process = shell(*arguments, home=home, endpoint=endpoint)
    seen = 0
    for lines in moments:
        seen = killed_after(process, home, command, lines=seen + lines)
        run_id = the_journal(home, command).stem
        process = shell("runs", "resume", run_id, "--yes", home=home, endpoint=endpoint)
    result = finished(process)
    assert result.exit_code == exit_code, result.stdout
    return the_journal(home, command).stem


def killed_after(process: subprocess.Popen[str], home: Path, command: str, *, lines: int) -> int:
    while process.poll() is None:
        journals = list((home / "runs").glob(f"*-{command}-*.jsonl"))
        count = len(journals[0].read_bytes().splitlines()) if journals else 0
        if count > lines:
            process.kill()
            break
        time.sleep(0.002)
    finished(process)
    return count
