"""The moments of a message in their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from b2bpilot.ops.inspect import attempts as runs
from b2bpilot.ops.inspect.source import AskedSource, EventOrder, MessageEvent
from b2bpilot.pipeline.models import UserSubmission


def timeline(
    asked: Sequence[AskedSource], attempts: Sequence[runs.ProcessorRun], row: UserSubmission | None
) -> list[MessageEvent]:
    """What SNS accepted was accepted before the processor had it, whenever the line about it was written."""
    began = {sns: run.began_at for run in reversed(attempts) for sns in run.ids("sns_message_id")}
    told = [moment for one in asked for moment in one.answer.moments]
    placed = [
        replace(moment, not_after=began.get(moment.sns_message_id or "")) for moment in dict.fromkeys(told)
    ]
    return sorted([*_of_row(row), *placed, *runs.moments(attempts)], key=lambda moment: moment.order)


def _of_row(row: UserSubmission | None) -> Iterator[MessageEvent]:
    if row is None:
        return
    if row.received_at:
        what = f"received, says the row ({row.source})"
        yield MessageEvent(at=row.received_at, source="table", what=what, step=EventOrder.RECEIVED)
    yield MessageEvent(at=row.created_at, source="table", what="the row was created", step=EventOrder.CREATED)
    if row.completed_at:
        what = f"the row was completed, attempts: {row.attempts}"
        yield MessageEvent(at=row.completed_at, source="table", what=what, step=EventOrder.COMPLETED)
    else:
        what = f"the row was last changed: {row.status}, attempts: {row.attempts}"
        yield MessageEvent(at=row.updated_at, source="table", what=what, step=EventOrder.CHANGED)
