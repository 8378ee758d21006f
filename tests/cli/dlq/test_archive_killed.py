"""kill -9 of real processes against an emulator: what was discarded or restored half goes on where it stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from b2bpilot.local.emulator_process import free_port
from b2bpilot.ops.runs.record import Stage, read
from tests import forked
from tests.cli.conftest import OUTPUTS, REGION, create_stack
from tests.cli.dlq.dead_letters import DeadLetters
from tests.events import message
from tests.forked import Ended
from tests.local.polling import eventually, is_healthy

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
        eventually(lambda: is_healthy(endpoint), "an answer of the emulator", within=READY_SECONDS)
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


def the_journal(home: Path, command: str) -> Path:
    (path,) = (home / "runs").glob(f"*-{command}-*.jsonl")
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """Commands as processes of their own, about one home."""

    home: Path
    endpoint: str

    def run(self, *arguments: str, started: Callable[[int], object] = lambda _: None) -> Ended:
        environ = {
            "HOME": str(self.home),
            "B2BPILOT_HOME": str(self.home),
            "B2BPILOT_ENV": "staging",
            "B2BPILOT_DATABASE_URL": "postgresql://me@127.0.0.1:9/none",
            **aws_settings(self.endpoint),
        }
        return forked.run(*arguments, environ=environ, started=started)

    def killed_after(self, lines: int, command: str, arguments: Sequence[str]) -> int:
        """Kill it when its journal has more lines, and return how many it had."""
        over = threading.Event()

        def kill(process: int) -> int:
            while not over.wait(0.002):
                journals = list((self.home / "runs").glob(f"*-{command}-*.jsonl"))
                count = journals[0].read_bytes().count(b"\n") if journals else 0
                if count > lines:
                    with suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)
                    return count
            return len(the_journal(self.home, command).read_bytes().splitlines())

        with ThreadPoolExecutor(1) as pool:
            watching: list[Future[int]] = []
            self.run(*arguments, started=lambda process: watching.append(pool.submit(kill, process)))
            over.set()
            return watching[0].result()


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

    shell = Shell(home=home, endpoint=endpoint)
    discard = ["dlq", "discard", "--group", "G1", "--yes"]
    discarded = killed_until_done(shell, "discard", discard, moments=(count + 5, 20, 45))
    assert discarded.code == 4, discarded.output + discarded.errors
    assert dead_letters.contents() == []
    assert read(the_journal(home, "discard")).stages() == {Stage.DELETED: count}

    restore = ["dlq", "restore", the_journal(home, "discard").stem, "--yes"]
    restored = killed_until_done(shell, "restore", restore, moments=(1, 20, 45))
    assert restored.code == 0, restored.output + restored.errors
    assert dead_letters.contents() == before


def killed_until_done(shell: Shell, command: str, arguments: list[str], *, moments: tuple[int, ...]) -> Ended:
    """Kill the command, and each resume of it, when its journal has got so many more lines; then let it end.

    No database is there: a discard says that it marked no row.
    """
    seen = 0
    for lines in moments:
        seen = shell.killed_after(seen + lines, command, arguments)
        arguments = ["runs", "resume", the_journal(shell.home, command).stem, "--yes"]
    return shell.run(*arguments)
