"""From POST to committed row, one after another and from 16 connections at once, and what the idle environment takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from b2bpilot.local.state import EnvironmentState
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.models import SubmissionStatus
from b2bpilot.pipeline.waiting import wait_until
from b2bpilot.twilio.samples import Sample, sample_params
from b2bpilot.twilio.webhook import WebhookClient
from bench.environment import environment, processes

WARM_UP = 20
ONE_BY_ONE = 200
CONNECTIONS = 16
WEBHOOKS = 1_000
DISTINCT = 800
WAIT_SECONDS = 120
SETTLE_SECONDS = 20
IDLE_SECONDS = 30


def main() -> None:
    with environment() as state:
        latency(state)
        throughput(state)
        idle(state)


def latency(state: EnvironmentState) -> None:
    """One webhook after another: the time until its row is committed and seen by another connection."""
    with (
        WebhookClient(state.webhook_url, auth_token=state.twilio_auth_token) as webhook,
        DatabaseManager(state.database_url) as database,
    ):
        for _ in range(WARM_UP):
            _until_stored(webhook, database)
        seconds = [_until_stored(webhook, database) for _ in range(ONE_BY_ONE)]
    print(
        f"POST to committed row, {ONE_BY_ONE} one by one: "
        f"p50 {_quantile(seconds, 50) * 1000:.1f} ms, p95 {_quantile(seconds, 95) * 1000:.1f} ms, "
        f"max {max(seconds) * 1000:.1f} ms"
    )


def throughput(state: EnvironmentState) -> None:
    """A fifth of the webhooks are a second delivery of a message that another connection has sent or sends."""
    messages = [sample_params(Sample.TEXT) for _ in range(DISTINCT)]
    shares = [(messages + messages[: WEBHOOKS - DISTINCT])[n::CONNECTIONS] for n in range(CONNECTIONS)]
    with DatabaseManager(state.database_url) as database:
        before = database.count_by_status().get(SubmissionStatus.COMPLETED, 0)
        started = time.perf_counter()
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            statuses = [
                status for share in pool.map(lambda s: _post_all(state, s), shares) for status in share
            ]
        accepted = time.perf_counter() - started
        rows = wait_until(
            lambda: _new_rows(database, before),
            enough=lambda rows: rows >= DISTINCT,
            seconds=WAIT_SECONDS - accepted,
            pause_seconds=0.05,
        )
        stored = time.perf_counter() - started
        total = sum(database.count_by_status().values())
    print(
        f"{len(statuses)} webhooks from {CONNECTIONS} connections, {WEBHOOKS - DISTINCT} of them a second time: "
        f"{statuses.count(200)} answered 200 in {accepted:.1f} s ({len(statuses) / accepted:.0f}/s); "
        f"{rows} rows completed after {stored:.1f} s ({len(statuses) / stored:.0f}/s), {total - before - rows} others"
    )


def idle(state: EnvironmentState) -> None:
    """Memory and CPU of everything together, when nothing happens."""
    found = processes(state)
    resident = sum(process.memory_info().rss for process in found)
    proportional = sum(process.memory_full_info().pss for process in found)
    time.sleep(SETTLE_SECONDS)  # what the load before left to do is no part of idling
    before = _cpu_seconds(state)
    time.sleep(IDLE_SECONDS)  # the time that is measured: nobody asks for anything in it
    used = (_cpu_seconds(state) - before) / IDLE_SECONDS
    print(
        f"idle: {len(found)} processes, {resident / 1e6:.0f} MB RSS ({proportional / 1e6:.0f} MB when shared pages "
        f"are counted once), {used * 100:.1f} % of one CPU over {IDLE_SECONDS} s"
    )


def _until_stored(webhook: WebhookClient, database: DatabaseManager) -> float:
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


def _new_rows(database: DatabaseManager, before: int) -> int:
    return database.count_by_status().get(SubmissionStatus.COMPLETED, 0) - before


def _cpu_seconds(state: EnvironmentState) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes(state))


def _quantile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


if __name__ == "__main__":
    main()
