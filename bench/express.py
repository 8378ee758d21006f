"""The express lane beside a processor that works off a backlog: a trigger makes each message's first row take its time.

Each kind of environment gets the same burst. A message's time is from the burst's begin to its row's completion, by
PostgreSQL's clock, which is this machine's.
"""

from __future__ import annotations

import statistics
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import LiteralString

from b2bpilot.aws.topic import Topic
from b2bpilot.pipeline.message import PilotMessage, Priority, Source, encode, message_id_for
from b2bpilot.pipeline.waiting import wait_until
from b2bpilot.twilio.samples import Sample, sample_params
from bench.environment import Environments, Running, environment
from bench.row import Turn
from tests.ops.migrations.tables import connect

MESSAGES, HIGH_EVERY = 400, 14
"""7 % of them are high."""
URGENT, BESIDE = 1_000, 100
BROKEN = 100
WAIT_SECONDS = 300
LANE = {"ProcessorConcurrency": "5", "ExpressConcurrency": "3"}
ONE_LANE = {"ProcessorConcurrency": "5"}

SLOW: LiteralString = """
    CREATE OR REPLACE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END $$;
    CREATE OR REPLACE TRIGGER slow BEFORE UPDATE ON b2b_pilot_user_submissions
        FOR EACH ROW WHEN (NEW.status = 'completed') EXECUTE FUNCTION take_time()
"""
DONE: LiteralString = """
    SELECT message_id, extract(epoch FROM updated_at) FROM b2b_pilot_user_submissions
    WHERE message_id = ANY(%s) AND status = 'completed'
"""


def under_a_backlog(environments: Environments) -> Iterator[Turn]:
    """Milliseconds until half of the high, and half of the normal ones, were rows."""
    places = {"express lane": environments.one(**LANE), "one lane": environments.one(**ONE_LANE)}
    for running in places.values():
        _slow(running, seconds=0.3)
    burst = [Priority.NORMAL if number % HIGH_EVERY else Priority.HIGH for number in range(MESSAGES)]
    while True:
        turn = {}
        for name, running in places.items():
            for priority, found in _sent(running, burst).items():
                turn[f"{priority.value}, {name}"] = statistics.median(found)
        yield turn


def urgent_at_once(environments: Environments) -> Iterator[Turn]:
    """Milliseconds: half of the normal ones, and the last of either, among ten times as many urgent ones."""
    places = {"express lane": environments.one(**LANE), "one lane": environments.one(**ONE_LANE)}
    for running in places.values():
        _slow(running, seconds=0.15)
    share = URGENT // BESIDE + 1
    burst = [Priority.HIGH if number % share else Priority.NORMAL for number in range(URGENT + BESIDE)]
    while True:
        turn = {}
        for name, running in places.items():
            for priority, found in _sent(running, burst).items():
                turn[f"{priority.value}, p50, {name}"] = statistics.median(found)
                turn[f"{priority.value}, last, {name}"] = max(found)
        yield turn


def broken(_: Environments) -> Iterator[Turn]:
    """Urgent messages without a row, where the express function was deleted by hand."""
    while True:
        with environment([f"--parameter={name}={value}" for name, value in LANE.items()]) as running:
            outputs = running.aws.cloudformation.describe_stacks(StackName=running.state.stack_name)
            (stack,) = outputs["Stacks"]
            named = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
            running.aws.functions.delete_function(FunctionName=named["ExpressFunctionName"])
            found = _sent(running, [Priority.HIGH] * BROKEN)
            yield {"lost": BROKEN - len(found[Priority.HIGH])}


def _slow(running: Running, *, seconds: float) -> None:
    with connect(running.state.database_url) as database:
        database.execute(SLOW.replace("{seconds}", str(seconds)).encode())


def _sent(running: Running, burst: list[Priority]) -> dict[Priority, list[float]]:
    """Publish one message of each, in this order, and return their milliseconds. Raises where not all became rows."""
    topic = Topic.connect(running.stack.topic_arn, access=running.access)
    messages = [_message(priority) for priority in burst]
    ids = [message.message_id for message in messages]
    began = time.time()
    assert all(one.error is None for one in topic.publish_batch([encode(message) for message in messages]))
    with connect(running.state.database_url) as database:
        done = wait_until(
            lambda: dict(database.execute(DONE, [ids]).fetchall()),
            enough=lambda rows: len(rows) == len(ids),
            seconds=WAIT_SECONDS,
            pause_seconds=0.2,
        )
    assert len(done) == len(ids), f"{len(ids) - len(done)} of {len(ids)} messages have no row"
    found: dict[Priority, list[float]] = {}
    for message in messages:
        seconds = float(done[message.message_id]) - began
        found.setdefault(message.priority, []).append(seconds * 1_000)
    return found


def _message(priority: Priority) -> PilotMessage:
    params = sample_params(Sample.TEXT, MessageSid=f"SM{uuid.uuid4().hex}")
    return PilotMessage(
        message_id=message_id_for(params["MessageSid"]),
        source=Source.TWILIO,
        received_at=datetime.now(UTC),
        params=params,
        priority=priority,
    )
