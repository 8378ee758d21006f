"""`publish --count 5000` against a bare loop of eight threads around boto3's PublishBatch, at the same endpoint in turns."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass

from b2bpilot.aws.stack import StackOutputs, describe
from b2bpilot.local.state import EnvironmentState
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.models import SubmissionStatus
from bench.environment import environment, wait_for_rows
from bench.redrive import access_to, environ_of

MESSAGES = 5_000
THREADS = 8
ROUNDS = 3
SETTLE_SECONDS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Messages a second: of the sending alone, and of the whole process with its start."""

    sending: float
    process: float


def main() -> None:
    with environment() as state:
        stack = describe("local", access_to(state))
        plain: list[Measured] = []
        ours: list[Measured] = []
        for _ in range(ROUNDS):
            plain.append(_plain(state, stack))
            ours.append(_publish(state))
    _show(plain, ours)


def _show(plain: list[Measured], ours: list[Measured]) -> None:
    print(f"publish --count {MESSAGES}, messages per second, median of {ROUNDS}:")
    for name, pick in (("sending alone", "sending"), ("whole process", "process")):
        base = statistics.median(getattr(one, pick) for one in plain)
        found = statistics.median(getattr(one, pick) for one in ours)
        print(f"  {name}: {found:6.0f}, bare boto3 loop {base:6.0f}: {found / base:5.2f} x")


def _plain(state: EnvironmentState, stack: StackOutputs) -> Measured:
    command = ["-m", "bench.plain_publish", str(MESSAGES), str(THREADS), state.endpoint_url, stack.topic_arn]
    seconds, output = _run(state, command)
    return Measured(sending=MESSAGES / float(output), process=MESSAGES / seconds)


def _publish(state: EnvironmentState) -> Measured:
    command = ["-m", "b2bpilot", "publish", "text", "-e", "local", "--endpoint-url", state.endpoint_url]
    seconds, output = _run(state, [*command, "--count", str(MESSAGES), "-o", "json"])
    document = json.loads(output)
    _account_for(document)
    return Measured(sending=document["published"]["rate"], process=MESSAGES / seconds)


def _account_for(document: Mapping[str, list[Mapping[str, str]]]) -> None:
    """Every message has its own id and SNS's: none is left out, none is counted twice."""
    messages = document["messages"]
    assert len({one["message_id"] for one in messages}) == MESSAGES
    assert len({one["sns_message_id"] for one in messages if one["outcome"] == "accepted"}) == MESSAGES


def _run(state: EnvironmentState, command: list[str]) -> tuple[float, str]:
    """Run a whole process, then wait until the pipeline is idle again."""
    with DatabaseManager(state.database_url) as database, tempfile.TemporaryDirectory() as home:
        before = database.count_by_status().get(SubmissionStatus.COMPLETED, 0)
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, *command],
            check=True,
            env=environ_of(state) | {"B2BPILOT_HOME": home},
            stdout=subprocess.PIPE,
            text=True,
        )
        seconds = time.perf_counter() - started
        wait_for_rows(database, before + MESSAGES, seconds=SETTLE_SECONDS)
    return seconds, done.stdout


if __name__ == "__main__":
    main()
