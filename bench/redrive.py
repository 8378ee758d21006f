"""A redrive of 1,000 dead letters against loops around boto3 that check nothing: whole processes, 10 ms away from AWS."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from b2bpilot.aws.queue import DeadLetterQueue, Outgoing
from b2bpilot.aws.session import AwsAccess
from b2bpilot.aws.stack import StackOutputs, describe
from b2bpilot.local.state import EnvironmentState
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.message import PilotMessage, Source, encode, message_id_for
from b2bpilot.pipeline.models import SubmissionStatus
from b2bpilot.twilio.samples import Sample, sample_params
from bench.delay import delayed
from bench.environment import environment, wait_for_rows

DEAD_LETTERS = 1_000
SLOW_DEAD_LETTERS = 200
EACH_WAY_SECONDS = 0.010
ROUNDS = 3
SETTLE_SECONDS = 60


def main() -> None:
    with environment() as state, delayed(state.endpoint_url, seconds=EACH_WAY_SECONDS) as endpoint_url:
        stack = describe("local", access_to(state))
        for route in ("topic", "async"):
            measure(state, stack, route, endpoint_url)


def measure(state: EnvironmentState, stack: StackOutputs, route: str, endpoint_url: str) -> None:
    """Take turns, so that the machine's moods hit all alike; the slow loop runs once, over fewer dead letters."""
    target = stack.topic_arn if route == "topic" else stack.processor_function_name
    plain = ["-m", "bench.plain_loops", route, "16", "10", endpoint_url, stack.dead_letter_queue_url, target]
    redrive = [
        "-m",
        "b2bpilot",
        "dlq",
        "redrive",
        "-e",
        "local",
        "--endpoint-url",
        endpoint_url,
        "--via",
        route,
    ]
    commands = {
        "plain loop, 16 threads, batches of ten, nothing checked": plain,
        "b2bpilot dlq redrive --wait 0s": [*redrive, "--yes", "--wait", "0s"],
        "b2bpilot dlq redrive, rows proved": [*redrive, "--yes", "--wait", "60s"],
    }
    rates: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            rates[name].append(_rate(state, stack, command, DEAD_LETTERS))
    one_by_one = [*plain[:3], "1", "1", *plain[5:]]
    slow = _rate(state, stack, one_by_one, SLOW_DEAD_LETTERS)
    _show(route, rates, slow)


def _show(route: str, rates: Mapping[str, Sequence[float]], slow: float) -> None:
    print(f"route {route}, dead letters per second of the whole process, median of {ROUNDS}:")
    base = statistics.median(next(iter(rates.values())))
    for name, found in rates.items():
        median = statistics.median(found)
        print(f"  {median:6.0f}  {median / base:5.2f} x plain  {median / slow:6.1f} x one by one  {name}")
    print(
        f"  {slow:6.0f}  {slow / base:5.2f} x plain  {1:6.1f} x one by one  a loop that takes them one by one"
    )


def _rate(state: EnvironmentState, stack: StackOutputs, command: list[str], count: int) -> float:
    queue = DeadLetterQueue.connect(stack.dead_letter_queue_url, access=access_to(state))
    with DatabaseManager(state.database_url) as database:
        before = database.count_by_status().get(SubmissionStatus.COMPLETED, 0)
        assert not queue.send([new_dead_letter(stack.topic_arn) for _ in range(count)])
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, *command],
            check=False,
            env=environ_of(state),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        seconds = time.perf_counter() - started
        wait_for_rows(database, before + count, seconds=SETTLE_SECONDS)
    left = queue.counters().total
    assert left == 0, f"{left} dead letters were left by {command}"
    return count / seconds


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


def access_to(state: EnvironmentState) -> AwsAccess:
    """How to reach the environment's AWS without a delay."""
    return AwsAccess(
        region=state.region,
        endpoint_url=state.endpoint_url,
        access_key_id=state.access_key_id,
        secret_access_key=state.secret_access_key,
    )


def environ_of(state: EnvironmentState) -> dict[str, str]:
    """The variables with which a command finds the environment at any endpoint."""
    return os.environ | {
        "AWS_ACCESS_KEY_ID": state.access_key_id,
        "AWS_SECRET_ACCESS_KEY": state.secret_access_key,
        "AWS_DEFAULT_REGION": state.region,
        "B2BPILOT_DATABASE_URL": state.database_url,
    }


if __name__ == "__main__":
    main()
