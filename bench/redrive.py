"""A redrive of 1,000 dead letters against loops around boto3 that check nothing: whole processes, 10 ms away from AWS."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from b2bpilot.aws.queue import DeadLetterQueue, Outgoing
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.message import PilotMessage, Source, encode, message_id_for
from b2bpilot.pipeline.models import SubmissionStatus
from b2bpilot.twilio.samples import Sample, sample_params
from bench.delay import delayed
from bench.environment import Environments, Running, wait_for_rows
from bench.row import Turn

DEAD_LETTERS = 1_000
SLOW_DEAD_LETTERS = 100
EACH_WAY_SECONDS = 0.010
SETTLE_SECONDS = 60

PLAIN, ONE_BY_ONE = "plain loop, 16 threads", "one by one"
PLAIN_STORED = "plain loop, to its last row"
OURS, PROVED = "dlq redrive --wait 0s", "dlq redrive, rows proved"


def via_topic(environments: Environments) -> Iterator[Turn]:
    return _turns(environments, "topic")


def via_async(environments: Environments) -> Iterator[Turn]:
    return _turns(environments, "async")


def one_by_one(environments: Environments) -> Iterator[Turn]:
    """The slow loop gets fewer dead letters."""
    running = environments.one()
    with delayed(running.state.endpoint_url, seconds=EACH_WAY_SECONDS) as endpoint_url:
        while True:
            turn = {}
            for route in ("topic", "async"):
                slow = _plain(running, endpoint_url, route, threads=1, batch=1)
                turn[f"{ONE_BY_ONE}, {route}"], _ = _rates(running, slow, SLOW_DEAD_LETTERS)
                ours = _ours(endpoint_url, route, wait="0s")
                turn[f"{OURS}, {route}"], _ = _rates(running, ours, DEAD_LETTERS)
            yield turn


def _turns(environments: Environments, route: str) -> Iterator[Turn]:
    """Dead letters per second of the whole process; of the plain loop also until its last row is completed."""
    running = environments.one()
    with delayed(running.state.endpoint_url, seconds=EACH_WAY_SECONDS) as endpoint_url:
        while True:
            plain, plain_stored = _rates(running, _plain(running, endpoint_url, route), DEAD_LETTERS)
            ours, _ = _rates(running, _ours(endpoint_url, route, wait="0s"), DEAD_LETTERS)
            proved, _ = _rates(running, _ours(endpoint_url, route, wait="60s"), DEAD_LETTERS)
            yield {PLAIN: plain, PLAIN_STORED: plain_stored, OURS: ours, PROVED: proved}


def _plain(
    running: Running, endpoint_url: str, route: str, *, threads: int = 16, batch: int = 10
) -> Sequence[str]:
    stack = running.stack
    target = stack.topic_arn if route == "topic" else stack.processor_function_name
    options = [route, str(threads), str(batch), endpoint_url, stack.dead_letter_queue_url, target]
    return ["-m", "bench.plain_loops", *options]


def _ours(endpoint_url: str, route: str, *, wait: str) -> Sequence[str]:
    options = ["-e", "local", "--endpoint-url", endpoint_url, "--via", route, "--yes", "--wait", wait]
    return ["-m", "b2bpilot", "dlq", "redrive", *options]


def _rates(running: Running, command: Sequence[str], count: int) -> tuple[float, float]:
    """Dead letters per second until the process ended, and until the last row was completed."""
    queue = DeadLetterQueue.connect(running.stack.dead_letter_queue_url, access=running.access)
    with DatabaseManager(running.state.database_url) as database:
        before = database.count_by_status().get(SubmissionStatus.COMPLETED, 0)
        assert not queue.send([new_dead_letter(running.stack.topic_arn) for _ in range(count)])
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, *command], check=False, env=running.environ, capture_output=True, text=True
        )
        ended = time.perf_counter()
        wait_for_rows(database, before + count, seconds=SETTLE_SECONDS)
        stored = time.perf_counter()
    left = queue.counters().total
    assert left == 0, (
        f"{left} dead letters were left by {command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    )
    return count / (ended - started), count / (stored - started)


def new_dead_letter(topic_arn: str) -> Outgoing:
    """A dead letter as Lambda writes it, of a message that was never stored."""
    params = sample_params(Sample.TEXT)
    encoded = encode(
        PilotMessage(
            message_id=message_id_for(params["MessageSid"]),
            source=Source.TWILIO,
            received_at=datetime.now(UTC),
            params=params,
        )
    )
    notification = {
        "Type": "Notification",
        "MessageId": str(uuid.uuid4()),
        "TopicArn": topic_arn,
        "Subject": None,
        "Message": encoded.body,
        "MessageAttributes": {
            name: {"Type": value["DataType"], "Value": value["StringValue"]}
            for name, value in encoded.attributes.items()
        },
    }
    event = {"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": notification}]}
    return Outgoing(
        body=json.dumps(event),
        attributes={
            "RequestID": {"DataType": "String", "StringValue": str(uuid.uuid4())},
            "ErrorCode": {"DataType": "Number", "StringValue": "200"},
            "ErrorMessage": {"DataType": "String", "StringValue": "connection refused"},
        },
    )
