"""`twilio reconcile` of messages that are all missing: the whole command, against the double of Twilio."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from b2bpilot.local.state import STORE
from b2bpilot.local.twilio import resources
from b2bpilot.local.twilio.store import ResourceStore
from b2bpilot.twilio.samples import Sample, sample_params
from bench.environment import Environments, Running, environment
from bench.row import Turn
from bench.start import PILOT

FEW, MANY = 1_000, 100_000
AGO = timedelta(hours=12)


def missing(_: Environments) -> Iterator[Turn]:
    """Megabytes and seconds. Environments of its own: what Twilio has and the table has not, `status` of others would tell."""
    with environment() as small, environment() as large:
        places = {FEW: small, MANY: large}
        for count, running in places.items():
            _receive(running, count)
        while True:
            turn = {}
            for count, running in places.items():
                turn[f"memory, {count:,}"], turn[f"seconds, {count:,}"] = _reconciled(running, count)
            yield turn


def _receive(running: Running, count: int) -> None:
    """Let messages have come in at Twilio, a tenth of a second apart."""
    store = ResourceStore(Path(running.environ["B2BPILOT_HOME"]) / STORE)
    start = datetime.now(UTC) - AGO
    account = running.state.twilio_account_sid
    store.put(
        resources.message(
            account,
            _by_sms(sample_params(Sample.TEXT)),
            direction="inbound",
            at=start + timedelta(milliseconds=100 * number),
            status="received",
        )
        for number in range(count)
    )
    store.close()


def _by_sms(params: dict[str, str]) -> dict[str, str]:
    """Where a WhatsApp sender delivers, nobody is asked."""
    return {name: value.removeprefix("whatsapp:") for name, value in params.items()}


def _reconciled(running: Running, count: int) -> tuple[float, float]:
    started = time.perf_counter()
    process = subprocess.Popen(
        [*PILOT, "twilio", "reconcile", "-e", "local", "-o", "json"],
        env=running.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    shown = process.stdout.read()
    _, _, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = 0
    assert json.loads(shown)["reconciled"]["missing"] == count
    return used.ru_maxrss / 1_024, seconds
