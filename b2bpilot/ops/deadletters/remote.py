"""`dlq redrive --engine lambda`: turn the redriver's mapping on, watch it, and turn it off again (decision 6).

The function ends its run by itself; ending it from here only makes it sooner.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from b2bpilot.aws.mappings import EventSourceMapping, MappingReading, MappingState
from b2bpilot.aws.queue import DeadLetterQueue
from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.errors import AwsDenied, AwsError, CredentialsMissing, DatabaseError, Refused, UsageError
from b2bpilot.ops.environment import Environment
from b2bpilot.pipeline.models import SubmissionStatus
from b2bpilot.pipeline.remote_run import RemoteRun, ended_tags, remote_run

LEAST_CONCURRENCY = 2
"""Lambda's own least for a mapping."""

LONGEST = timedelta(hours=6)
EVERY_SECONDS = 2.0
EMPTY_LOOKS = 5
"""So many looks in a row must find an empty queue: SQS's counters lag (facts B6)."""

SETTLE_SECONDS = 90.0
"""A change of a mapping takes seconds to a minute."""


class Mapping(Protocol):
    """The part of aws.mappings.EventSourceMapping that is used here."""

    def read(self) -> MappingReading: ...
    def enable(self, *, max_concurrency: int) -> None: ...
    def disable(self) -> None: ...
    def tags(self) -> dict[str, str]: ...
    def write_tags(self, tags: dict[str, str]) -> None: ...


class Queue(Protocol):
    def counters(self) -> Counters: ...


class Rows(Protocol):
    """The part of DatabaseManager that is asked."""

    def count_by_status(self) -> dict[SubmissionStatus, int]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One look at a run. `completed` counts the rows that were completed since its start, live messages among them;
    None when no database answers. `ended` says why the run is over, and is empty until then."""

    at: datetime
    state: MappingState
    counters: Counters
    completed: int | None
    ended: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """What `status` shows: the mapping, and the run that it is on for, or was on for last."""

    state: MappingState
    max_concurrency: int | None
    run: RemoteRun | None


def switched(environment: Environment) -> Switched:
    """Raises AwsError."""
    mapping = _mapping(environment)
    reading = mapping.read()
    return Switched(
        state=reading.state, max_concurrency=reading.max_concurrency, run=remote_run(mapping.tags())
    )


@contextmanager
def redriving(
    environment: Environment,
    rows: Rows | None,
    *,
    run_id: str,
    max_concurrency: int,
    max_failures: float = 0.2,
    longest: timedelta = LONGEST,
) -> Iterator[Iterator[Reading]]:
    """Redrive everything that is in the queue now. Yields the looks, which end with the run; leaving the block ends it, too.

    Raises UsageError, Refused while another run is on, or AwsError.
    """
    check_concurrency(max_concurrency, reserved=int(environment.stack.processor_reserved_concurrency))
    mapping = _mapping(environment)
    queue = DeadLetterQueue.connect(environment.stack.dead_letter_queue_url, access=environment.access)
    completed = completed_since(rows)
    run = announce(mapping, run_id=run_id, max_failures=max_failures, longest=longest)
    try:
        mapping.enable(max_concurrency=max_concurrency)
        yield watch(mapping, queue, run, completed=completed)
    finally:
        stop(mapping, run, because="the command ended it")


def check_concurrency(wanted: int, *, reserved: int) -> None:
    """Every batch has one run of the processor at a time; live messages need some, too."""
    if not LEAST_CONCURRENCY <= wanted < reserved:
        raise UsageError(
            f"a concurrency of {wanted} does not fit: Lambda takes {LEAST_CONCURRENCY} or more, "
            f"and of the processor's {reserved} one must be left for live messages"
        )


def announce(mapping: Mapping, *, run_id: str, max_failures: float, longest: timedelta) -> RemoteRun:
    """Write the run to the mapping, which stays off. A letter of the second that AWS's clock shows still belongs to it."""
    reading = _settled(mapping)
    if reading.state.is_on:
        found = remote_run(mapping.tags())
        raise Refused(
            f"the redriver is {reading.state.lower()} already"
            + (f" for run {found.run_id}" if found else ""),
            hint="wait for its end; `b2bpilot status` shows it",
        )
    started_at = reading.read_at + timedelta(seconds=1)
    run = RemoteRun(
        run_id=run_id, started_at=started_at, ends_at=started_at + longest, max_failures=max_failures
    )
    mapping.write_tags(run.tags())
    return run


def watch(
    mapping: Mapping,
    queue: Queue,
    run: RemoteRun,
    *,
    completed: Callable[[], int | None],
    every_seconds: float = EVERY_SECONDS,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Reading]:
    """Yield looks until the run is over, and end it when the queue is empty; the last one says why. Raises AwsError."""
    empty = 0
    while True:
        reading = _look(mapping, queue, completed)
        yield reading
        if not reading.state.is_on:
            return
        empty = 0 if reading.counters.total else empty + 1
        if empty >= EMPTY_LOOKS:
            stop(mapping, run, because="nothing is left in the queue")
        sleep(every_seconds)


def _look(mapping: Mapping, queue: Queue, completed: Callable[[], int | None]) -> Reading:
    reading, run = mapping.read(), remote_run(mapping.tags())
    return Reading(
        at=reading.read_at,
        state=reading.state,
        counters=queue.counters(),
        completed=completed(),
        ended=run.ended if run else "",
    )


def stop(
    mapping: Mapping,
    run: RemoteRun,
    *,
    because: str,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """End the run, unless it is over or another one is on. Lambda refuses while an earlier change is being made: then
    it is asked again. Raises AwsError."""
    deadline = clock() + SETTLE_SECONDS
    while (found := remote_run(mapping.tags())) and found.run_id == run.run_id and mapping.read().state.is_on:
        try:
            mapping.disable()
        except (AwsDenied, CredentialsMissing):
            raise
        except AwsError:
            if clock() >= deadline:
                raise
            sleep(EVERY_SECONDS)
            continue
        if not found.ended:
            mapping.write_tags(ended_tags(because))


def completed_since(rows: Rows | None) -> Callable[[], int | None]:
    """Return a question: how many rows were completed since this call?"""

    def count() -> int | None:
        try:
            return rows.count_by_status().get(SubmissionStatus.COMPLETED, 0) if rows else None
        except DatabaseError:
            return None

    before = count()

    def since() -> int | None:
        now = count()
        return None if now is None or before is None else now - before

    return since


def _settled(mapping: Mapping, *, sleep: Callable[[float], None] = time.sleep) -> MappingReading:
    """Wait for the end of the run before: Lambda takes up to a minute to turn a mapping off."""
    for _ in range(int(SETTLE_SECONDS / EVERY_SECONDS)):
        reading = mapping.read()
        if reading.state is not MappingState.DISABLING:
            return reading
        sleep(EVERY_SECONDS)
    return mapping.read()


def _mapping(environment: Environment) -> EventSourceMapping:
    return EventSourceMapping.connect(environment.stack.redriver_mapping_id, access=environment.access)
