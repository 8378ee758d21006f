"""A redrive from taking to proof, with rows and a queue that are told what to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from b2bpilot.ops.dead_letters.decision import Decision
from b2bpilot.ops.redrive.options import RedriveOptions
from b2bpilot.ops.redrive.routes import InvokeRoute, Route
from b2bpilot.ops.redrive.run import Redrive
from b2bpilot.ops.redrive.summary import Summary
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.models import Progress, SubmissionStatus
from tests.ops.dead_letters.deployment import Deployment
from tests.ops.table.databases import PROVEN

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SOON = timedelta(milliseconds=30)


class Rows:
    """Rows by message id; a message that the world processed is completed."""

    def __init__(self, deployment: Deployment, rows: Mapping[str, Progress] | None = None) -> None:
        self.deployment, self.rows = deployment, dict(rows or {})

    proof = PROVEN

    def now(self) -> datetime:
        return NOW

    def progress_of(self, message_ids: Sequence[str]) -> dict[str, Progress]:
        return {one: found for one in message_ids if (found := self._row(one)) is not None}

    def _row(self, message_id: str) -> Progress | None:
        if message_id in self.deployment.processed:
            return progress(message_id, SubmissionStatus.COMPLETED)
        if message_id in self.deployment.failed:
            return progress(message_id, SubmissionStatus.FAILED, last_error="boom")
        return self.rows.get(message_id)


class Lines(list[Mapping[str, object]]):
    run_id = "run-1"

    def write(self, *entries: Mapping[str, object], durable: bool = True) -> None:
        self.extend(entries)


def progress(message_id: str, status: SubmissionStatus, **changes: object) -> Progress:
    values = {
        "message_id": message_id,
        "status": status,
        "attempts": 1,
        "lease_expires_at": None,
        "last_error": None,
        "completed_at": None,
        "updated_at": NOW,
    }
    return Progress(**{**values, **changes})  # type: ignore[arg-type]


def redrive(deployment: Deployment, rows: Rows, **options: object) -> Redrive:
    values = {
        "queue": deployment.queue,
        "route": InvokeRoute(deployment),
        "table": rows,
        "options": RedriveOptions(wait=timedelta()),
        "started_at": NOW,
        **options,
    }
    return Redrive(**values)  # type: ignore[arg-type]


def decisions(
    found: Sequence[DeadLetter], deployment: Deployment, rows: Rows, **options: object
) -> list[Decision]:
    with redrive(deployment, rows, **options) as run:
        plan = run.next_plan()
    by_id = {item.dead_letter.queue_message_id: item.decision for item in plan.items}
    return [by_id[one.queue_message_id] for one in found]


def whole(deployment: Deployment, route: Route, journal: Lines | None = None, **options: object) -> Summary:
    """A run of one window, to its end."""
    with redrive(deployment, Rows(deployment), route=route, options=RedriveOptions(**options)) as run:
        return run.run_all(run.next_plan(), Lines() if journal is None else journal)
