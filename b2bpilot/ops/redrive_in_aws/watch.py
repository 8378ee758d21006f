"""Watching a redrive inside AWS, and ending it (decision 6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from b2bpilot.advice import our_command
from b2bpilot.aws.mappings import AS_DEPLOYED, MappingReading, MappingState
from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.errors import AwsDenied, AwsError, CredentialsMissing, PartlyFailed
from b2bpilot.ops.ports import CountedQueue, RedriverMapping
from b2bpilot.pipeline.remote_run import RemoteRun, ended_tags, remote_run
from b2bpilot.pipeline.waiting import monotonic, pause, try_until, wait_until

EVERY_SECONDS = 2.0
EMPTY_LOOKS = 5
"""So many looks in a row must find an empty queue: SQS's counters lag (docs/aws-facts.md#sqs-counters)."""

STILL_SECONDS = 600.0
"""A batch lasts six minutes at most. Where the counters stand still for longer, nothing is being done."""

SETTLE_SECONDS = 90.0
"""A change of a mapping takes seconds to a minute."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReading:
    """One look at a run. `ended` says why it is over, and is empty until then."""

    at: datetime
    state: MappingState
    counters: Counters
    ended: str


def watch(mapping: RedriverMapping, queue: CountedQueue, run: RemoteRun) -> Iterator[RunReading]:
    """Yield looks until the run is over; the last one says why. End it when the queue is empty or stands still, or the
    run's time is over: a function that does not start ends nothing.

    Raises PartlyFailed when another run took its place, and AwsError.
    """
    course = _Course(run)
    while True:
        reading = patiently(lambda: _look(mapping, queue, run))
        yield reading
        if not reading.state.is_on:
            return
        if because := course.why_over(reading):
            stop(mapping, run, because=because)
        pause(EVERY_SECONDS)


def stop(mapping: RedriverMapping, run: RemoteRun, *, because: str) -> None:
    """End the run, unless another one is on. Lambda refuses while an earlier change is being made: then it is asked again.

    Raises AwsError; then the mapping may be on.
    """
    patiently(lambda: _end(mapping, run, because))


def settled(mapping: RedriverMapping) -> MappingReading:
    """Return the mapping's state once Lambda has turned it off, for which it takes up to a minute. Raises AwsError."""
    return wait_until(
        lambda: patiently(mapping.read),
        enough=lambda reading: reading.state is not MappingState.DISABLING,
        seconds=SETTLE_SECONDS,
        pause_seconds=EVERY_SECONDS,
    )


def patiently(ask: Callable[[], Answer]) -> Answer:
    """Ask again while AWS is busy or out of reach; what it denies stays denied. Raises AwsError."""
    return try_until(
        ask,
        passes=AwsError,
        stays=(AwsDenied, CredentialsMissing),
        seconds=SETTLE_SECONDS,
        pause_seconds=EVERY_SECONDS,
    )


class _Course:
    """What the looks say together."""

    def __init__(self, run: RemoteRun) -> None:
        self._run = run
        self._empty_looks = 0
        self._counters: Counters | None = None
        self._moved_at = monotonic()

    def why_over(self, reading: RunReading) -> str:
        """Return why the run is to be ended, or nothing."""
        self._empty_looks = 0 if reading.counters.total else self._empty_looks + 1
        if reading.counters != self._counters:
            self._counters, self._moved_at = reading.counters, monotonic()
        if self._empty_looks >= EMPTY_LOOKS:
            return "nothing is left in the queue"
        if reading.at >= self._run.ends_at:
            return "its time is over"
        is_still = monotonic() - self._moved_at >= STILL_SECONDS
        return f"nothing moved in the queue for {STILL_SECONDS / 60:.0f} minutes" if is_still else ""


def _look(mapping: RedriverMapping, queue: CountedQueue, run: RemoteRun) -> RunReading:
    reading, known = mapping.read(), remote_run(mapping.tags())
    if known is not None and known.run_id != run.run_id:
        raise PartlyFailed(
            f"run {known.run_id} replaced {run.run_id}, and goes on with its dead letters",
            hint="wait for its end; " + our_command("status") + " shows it",
        )
    return RunReading(
        at=reading.read_at,
        state=reading.state,
        counters=queue.counters(),
        ended=known.ended if known else "",
    )


def _end(mapping: RedriverMapping, run: RemoteRun, because: str) -> None:
    """The word comes first: with it the function tries no more dead letters, and disables the mapping where we cannot."""
    known = remote_run(mapping.tags())
    if known is not None and known.run_id != run.run_id:
        return
    try:
        if known is not None and not known.ended:
            mapping.write_tags(ended_tags(because))
    finally:
        if not _is_as_deployed(mapping.read()):
            mapping.disable()


def _is_as_deployed(reading: MappingReading) -> bool:
    """Somebody may have turned it off by hand, with the run's concurrency still in it."""
    return not reading.state.is_on and reading.max_concurrency == AS_DEPLOYED
