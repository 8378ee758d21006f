"""The way of a message into the queue, as far as its dead letter and its row tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from b2bpilot.errors import MessageUnreadable
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.message import parse_time
from b2bpilot.pipeline.models import UserSubmission
from b2bpilot.plural import many


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    at: datetime
    what: str


def of(dead_letter: DeadLetter, row: UserSubmission | None) -> list[Moment]:
    """Return what is known to have happened, in its order."""
    known = [*_in_the_pipeline(dead_letter), *_in_the_queue(dead_letter), *_in_the_table(row)]
    return sorted(known, key=lambda moment: moment.at)


def _in_the_pipeline(dead_letter: DeadLetter) -> Iterator[Moment]:
    """SNS's clock is another one; still nothing is published before it is received."""
    if dead_letter.message:
        yield Moment(at=dead_letter.message.received_at, what=f"received ({dead_letter.message.source})")
    if dead_letter.message and (published_at := _published_at(dead_letter.event)):
        yield Moment(at=max(published_at, dead_letter.message.received_at), what="published to the topic")


def _in_the_queue(dead_letter: DeadLetter) -> Iterator[Moment]:
    if dead_letter.sent_at:
        again = f", after {many(dead_letter.redrives, 'redrive')}" if dead_letter.redrives else ""
        by = f" (the last one by run {dead_letter.redriven_by})" if dead_letter.redriven_by else ""
        yield Moment(at=dead_letter.sent_at, what=f"dead-lettered{again}{by}")
    if dead_letter.first_received_at:
        times = "once" if dead_letter.receive_count == 1 else f"{dead_letter.receive_count} times"
        yield Moment(at=dead_letter.first_received_at, what=f"first seen; received {times} so far")


def _in_the_table(row: UserSubmission | None) -> Iterator[Moment]:
    if row is None:
        return
    yield Moment(at=row.created_at, what="row created")
    if row.completed_at:
        yield Moment(at=row.completed_at, what="completed")
    elif row.updated_at != row.created_at:
        yield Moment(at=row.updated_at, what=f"row last changed: {row.status}")


def _published_at(event: Mapping[str, Any] | None) -> datetime | None:
    if event is None:
        return None
    try:
        return parse_time(event["Records"][0]["Sns"]["Timestamp"])
    except (KeyError, MessageUnreadable):
        return None
