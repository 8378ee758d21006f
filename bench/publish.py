"""`publish --count 5000` against a bare loop of eight threads around boto3's PublishBatch, at the same endpoint in turns."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.models import SubmissionStatus
from bench.environment import Environments, Running, wait_for_rows
from bench.row import Turn

MESSAGES = 5_000
THREADS = 8
SETTLE_SECONDS = 300


def sending(environments: Environments) -> Iterator[Turn]:
    """Messages a second: of the sending alone, and of the whole process with its start."""
    running = environments.one()
    state, topic = running.state, running.stack.topic_arn
    plain = ["-m", "bench.plain_publish", str(MESSAGES), str(THREADS), state.endpoint_url, topic]
    options = ["-e", "local", "--endpoint-url", state.endpoint_url, "--count", str(MESSAGES), "-o", "json"]
    while True:
        plain_seconds, output = _run(running, plain)
        seconds, document = _run(running, ["-m", "b2bpilot", "publish", "text", *options])
        yield {
            "PublishBatch, 8 threads": MESSAGES / float(output),
            "publish, sending": _rate(json.loads(document)),
            "PublishBatch, 8 threads, whole process": MESSAGES / plain_seconds,
            "publish, whole process": MESSAGES / seconds,
        }


def _rate(document: Mapping[str, Sequence[Mapping[str, str]]]) -> float:
    """Every message has its own id and SNS's: none is left out, none is counted twice."""
    messages = document["messages"]
    assert len({one["message_id"] for one in messages}) == MESSAGES
    assert len({one["sns_message_id"] for one in messages if one["outcome"] == "accepted"}) == MESSAGES
    return float(document["published"]["rate"])  # type: ignore[call-overload]  # an object among the lists


def _run(running: Running, command: list[str]) -> tuple[float, str]:
    """Run a whole process, then wait until the pipeline is idle again."""
    with DatabaseManager(running.state.database_url) as database:
        before = database.count_by_status().get(SubmissionStatus.COMPLETED, 0)
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, *command], check=True, env=running.environ, stdout=subprocess.PIPE, text=True
        )
        seconds = time.perf_counter() - started
        wait_for_rows(database, before + MESSAGES, seconds=SETTLE_SECONDS)
    return seconds, done.stdout
