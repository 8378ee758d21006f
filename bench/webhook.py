"""From a webhook's POST to its committed row, one after another and from 16 connections at once, and what an idle environment takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from b2bpilot.local.state import EnvironmentState
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.models import SubmissionStatus
from b2bpilot.twilio.samples import Sample, sample_params
from b2bpilot.twilio.webhook import WebhookClient
from bench.environment import Environments, processes, wait_for_rows
from bench.row import Turn

WARM_UP = 20
ONE_BY_ONE = 50
CONNECTIONS = 16
WEBHOOKS = 1_000
DISTINCT = 800
WAIT_SECONDS = 120
SETTLE_SECONDS = 20
IDLE_SECONDS = 30


def to_row(environments: Environments) -> Iterator[Turn]:
    """Milliseconds of one webhook after another."""
    states = {"topic": environments.one().state}
    for state in states.values():
        _milliseconds(state, WARM_UP)
    while True:
        turn = {}
        for name, state in states.items():
            found = _milliseconds(state, ONE_BY_ONE)
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


def _milliseconds(state: EnvironmentState, count: int) -> list[float]:
    with (
        WebhookClient(state.webhook_url, auth_token=state.twilio_auth_token) as webhook,
        DatabaseManager(state.database_url) as database,
    ):
        return [_until_stored(webhook, database) * 1_000 for _ in range(count)]


def _until_stored(webhook: WebhookClient, database: DatabaseManager) -> float:
    """The time until the row is committed and seen by another connection."""
    started = time.perf_counter()
    answer = webhook.post(sample_params(Sample.TEXT))
    assert answer.status == 200, answer
    assert answer.message_id is not None
    while time.perf_counter() - started < WAIT_SECONDS:
        row = database.get_submission_by_message_id(answer.message_id)
        if row is not None and row.status is SubmissionStatus.COMPLETED:
            return time.perf_counter() - started
    raise TimeoutError(f"message {answer.message_id} was not stored")


def _post_all(state: EnvironmentState, messages: Sequence[dict[str, str]]) -> list[int]:
    with WebhookClient(state.webhook_url, auth_token=state.twilio_auth_token) as webhook:
        return [webhook.post(params).status for params in messages]


def _cpu_seconds(state: EnvironmentState) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes(state))
