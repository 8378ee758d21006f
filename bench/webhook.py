"""From a webhook's POST to its committed row, one after another and from 16 connections at once, and what an idle environment takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import LiteralString

from b2bpilot.local.state import EnvironmentState
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.models import SubmissionStatus
from b2bpilot.pipeline.waiting import pause, wait_until
from b2bpilot.twilio.samples import Sample, sample_params
from b2bpilot.twilio.webhook import WebhookClient
from bench.environment import Environments, processes, wait_for_rows
from bench.row import Turn
from tests.ops.migrations.tables import connect
from tests.sqs_version.stack import HANDLERS, deploy_old

TRICKLE = 20
PER_SECOND = 2
OLD_SECONDS = 30
"""So long the old version's messages may take: its batch window is 5 s."""
CONNECTIONS = 16
WEBHOOKS = 1_000
DISTINCT = 800
WAIT_SECONDS = 120
SETTLE_SECONDS = 20
IDLE_SECONDS = 30
DONE: LiteralString = """
    SELECT message_sid, extract(epoch FROM updated_at) FROM b2b_pilot_user_submissions
    WHERE message_sid = ANY(%s) AND status = 'completed'
"""


def to_row(environments: Environments) -> Iterator[Turn]:
    """Milliseconds of a trickle of webhooks, until their rows are completed by PostgreSQL's clock, which is this machine's."""
    topic, queue = environments.one(), environments.one(Delivery="queue")
    old = environments.one(*HANDLERS)
    places = {
        "topic": (topic.state, topic.state.webhook_url),
        "queue": (queue.state, queue.state.webhook_url),
        "SQS version": (old.state, deploy_old(old).webhook_url),  # type: ignore[arg-type]  # it needs state and clients
    }
    for place in places.values():
        _milliseconds(*place)
    while True:
        turn = {}
        for name, place in places.items():
            found = _milliseconds(*place)
            turn[f"{name}, p50"] = statistics.median(found)
            turn[f"{name}, p95"] = statistics.quantiles(found, n=20)[-1]
        yield turn


def at_once(environments: Environments) -> Iterator[Turn]:
    """Webhooks a second, 1,000 from 16 connections; a fifth is a second delivery of what another connection sends, too."""
    state = environments.one().state
    while True:
        messages = [sample_params(Sample.TEXT) for _ in range(DISTINCT)]
        shares = [(messages + messages[: WEBHOOKS - DISTINCT])[n::CONNECTIONS] for n in range(CONNECTIONS)]
        with DatabaseManager(state.database_url) as database, ThreadPoolExecutor(CONNECTIONS) as pool:
            before = database.count_by_status().get(SubmissionStatus.COMPLETED, 0)
            started = time.perf_counter()
            answers = [
                status for share in pool.map(lambda s: _post_all(state, s), shares) for status in share
            ]
            accepted = time.perf_counter()
            wait_for_rows(database, before + DISTINCT, seconds=WAIT_SECONDS)
            stored = time.perf_counter()
        assert set(answers) == {200}
        yield {"accepted": WEBHOOKS / (accepted - started), "stored": WEBHOOKS / (stored - started)}


def idle(environments: Environments) -> Iterator[Turn]:
    """Megabytes and percent of a processor of everything together, when nothing happens. Shared pages are counted once."""
    state = environments.one().state
    time.sleep(SETTLE_SECONDS)  # what the load before left to do is no part of idling
    while True:
        before = _cpu_seconds(state)
        time.sleep(IDLE_SECONDS)  # the time that is measured: nobody asks for anything in it
        yield {
            "memory": sum(process.memory_full_info().pss for process in processes(state)) / 1e6,
            "processor": (_cpu_seconds(state) - before) / IDLE_SECONDS * 100,
        }


def _milliseconds(state: EnvironmentState, url: str) -> list[float]:
    sent: dict[str, float] = {}
    with (
        WebhookClient(url, auth_token=state.twilio_auth_token) as webhook,
        connect(state.database_url) as database,
    ):
        begun = time.time()
        for number in range(TRICKLE):
            pause(max(0.0, begun + number / PER_SECOND - time.time()))
            params = sample_params(Sample.TEXT)
            sent[params["MessageSid"]] = time.time()
            assert webhook.post(params).status == 200
        completed = wait_until(
            lambda: dict(database.execute(DONE, [list(sent)]).fetchall()),
            enough=lambda rows: len(rows) == len(sent),
            seconds=OLD_SECONDS,
            pause_seconds=0.1,
        )
    assert len(completed) == len(sent), "not all messages were stored"
    return [(float(completed[message_sid]) - began) * 1_000 for message_sid, began in sent.items()]


def _post_all(state: EnvironmentState, messages: Sequence[dict[str, str]]) -> list[int]:
    with WebhookClient(state.webhook_url, auth_token=state.twilio_auth_token) as webhook:
        return [webhook.post(params).status for params in messages]


def _cpu_seconds(state: EnvironmentState) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes(state))
