"""`dlq redrive --engine lambda`: turn the redriver's mapping on, watch it, and turn it off again (decision 6).

The function ends its run by itself; ending it from here only makes it sooner.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from b2bpilot.advice import our_command
from b2bpilot.aws.functions import Function
from b2bpilot.aws.mappings import EventSourceMapping, MappingReading, MappingState
from b2bpilot.errors import AwsDenied, AwsError, CredentialsMissing, PilotError, Refused, UsageError
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.ports import RedriverFunction, RedriverMapping, Reserved
from b2bpilot.ops.redrive.concurrency import reserve_of
from b2bpilot.ops.redrive_in_aws.watch import (
    RunReading,
    patiently,
    settled,
    stop,
    watch,
)
from b2bpilot.ops.runs.record import RunRecord, RunState
from b2bpilot.pipeline.remote_run import KNOWS_OWNERS, RemoteRun, SubscriberEvidence, remote_run

LEAST_CONCURRENCY = 2
"""Lambda's own least for a mapping."""

CONCURRENCY = 8
LONGEST = timedelta(hours=6)
NO_EVIDENCE = SubscriberEvidence()
"""Then the function touches what names the stack's own subscription, and nothing else."""


class StillOn(PilotError):
    """The redriver could not be turned off, or nobody knows whether it was."""

    code = "redriver_still_on"


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """What `status` shows: the mapping, and the run that it is on for, or was on for last."""

    state: MappingState
    max_concurrency: int | None
    run: RemoteRun | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A run that is on. `readings` end with it."""

    run: RemoteRun
    readings: Iterator[RunReading]


def switched(environment: Environment) -> Switched:
    """Raises AwsError."""
    mapping = mapping_of(environment)
    reading = mapping.read()
    return Switched(
        state=reading.state, max_concurrency=reading.max_concurrency, run=remote_run(mapping.tags())
    )


def concurrency_for(processor: Reserved, asked: int | None) -> int:
    """Return how many batches may be in work at once: each has one run of the processor, and live messages need some, too.

    Raises Refused when the processor is paused, UsageError when what is wanted does not fit, and AwsError.
    """
    reserve = reserve_of(processor)
    most = None if reserve is None else reserve - 1
    fitting = asked or (CONCURRENCY if most is None else min(CONCURRENCY, most))
    if fitting < LEAST_CONCURRENCY or (most is not None and fitting > most):
        left = (
            ""
            if reserve is None
            else f", and of the processor's {reserve} one must be left for live messages"
        )
        raise UsageError(
            f"a concurrency of {fitting} is not possible: Lambda takes {LEAST_CONCURRENCY} or more{left}"
        )
    return fitting


@contextmanager
def redriving(
    environment: Environment,
    *,
    run_id: str,
    max_concurrency: int,
    max_failures: float = 0.2,
    longest: timedelta = LONGEST,
    evidence: SubscriberEvidence = NO_EVIDENCE,
) -> Iterator[Running]:
    """Redrive everything that is in the queue now. Leaving the block ends the run, and waits until it is over.

    Raises UsageError, Refused while another run is on or when the function does not start, PartlyFailed when another run
    took its place, StillOn, or AwsError.
    """
    concurrency_for(environment.processor(), max_concurrency)
    require_start(Function.connect(environment.stack.redriver_function_name, access=environment.access))
    mapping = mapping_of(environment)
    run = announce(mapping, run_id=run_id, max_failures=max_failures, longest=longest, evidence=evidence)
    with ended_by(mapping, run):
        patiently(lambda: mapping.enable(max_concurrency=max_concurrency))
        yield _running(environment, mapping, run)


def require_interrupted(record: RunRecord) -> None:
    """Raises Refused for a run that came to its end: its journal says what became of it."""
    if record.state is RunState.FINISHED:
        raise Refused(
            f"run {record.run_id} has ended: there is nothing to resume",
            hint="what it left is in the queue: see " + our_command("dlq", "list") + ", and redrive again",
        )


@contextmanager
def rejoining(environment: Environment, record: RunRecord) -> Iterator[Running]:
    """Watch the run of a command that is gone, while it is on; leaving the block ends it, as with `redriving`.

    Raises Refused while another run is on, StillOn, or AwsError.
    """
    mapping = mapping_of(environment)
    known = remote_run(mapping.tags())
    if known is not None and known.run_id == record.run_id:
        with ended_by(mapping, known):
            yield _running(environment, mapping, known)
        return
    require_off(mapping)
    yield Running(run=_as_recorded(record, record.began_at(environment.access.clock)), readings=iter(()))


def announce(
    mapping: RedriverMapping,
    *,
    run_id: str,
    max_failures: float,
    longest: timedelta,
    evidence: SubscriberEvidence = NO_EVIDENCE,
) -> RemoteRun:
    """Write the run to the mapping, which stays off. A dead letter of the second that AWS's clock shows still belongs to it."""
    reading = require_off(mapping)
    started_at = reading.read_at + timedelta(seconds=1)
    run = RemoteRun(
        run_id=run_id,
        started_at=started_at,
        ends_at=started_at + longest,
        max_failures=max_failures,
        evidence=evidence,
    )
    mapping.write_tags(run.tags())
    return run


def require_off(mapping: RedriverMapping) -> MappingReading:
    """Raises Refused when the mapping is on, for a run or by somebody's hand, and AwsError."""
    reading = settled(mapping)
    if reading.state.is_on:
        raise _already_on(mapping, reading)
    return reading


def require_start(redriver: RedriverFunction) -> None:
    """Let the function stand guard once, which changes nothing while no run is on: one that cannot start would hide dead
    letters for 36 minutes at a time, and one of an earlier version would delete other subscribers'.

    Raises Refused, AwsDenied, CredentialsMissing."""
    try:
        answer = redriver.invoke({})
    except (AwsDenied, CredentialsMissing):
        raise
    except AwsError as exc:
        raise _does_not_run(redriver, str(exc)) from exc
    if answer.error is not None:
        raise _does_not_run(redriver, answer.error)
    if not isinstance(answer.result, dict) or answer.result.get(KNOWS_OWNERS) is not True:
        raise Refused(
            f"{redriver.name} is of an earlier version, which takes every dead letter for the processor's",
            hint="deploy this version first; or use the engine of this terminal",
        )


def _does_not_run(redriver: RedriverFunction, error: str) -> Refused:
    return Refused(
        f"{redriver.name} does not run: {error}",
        hint=our_command("verify") + " says whether it is set up; or use the engine of this terminal",
    )


@contextmanager
def ended_by(mapping: RedriverMapping, run: RemoteRun) -> Iterator[None]:
    """End the run with the block, whatever happens in it, and wait until no more dead letters are handed out.

    Raises StillOn, AwsError."""
    try:
        yield
    finally:
        try:
            stop(mapping, run, because="the command ended it")
        except (AwsError, KeyboardInterrupt) as exc:
            raise StillOn(
                f"the redriver may still be on ({str(exc) or 'interrupted'}): "
                f"it ends by itself at {run.ends_at:%Y-%m-%d %H:%M} UTC at the latest",
                hint=f"turn it off with `{mapping.off_command}`",
            ) from exc
        settled(mapping)


def mapping_of(environment: Environment) -> EventSourceMapping:
    """Raises AwsError."""
    return EventSourceMapping.connect(environment.stack.redriver_mapping_id, access=environment.access)


def _running(environment: Environment, mapping: EventSourceMapping, run: RemoteRun) -> Running:
    queue = environment.queue()
    return Running(run=run, readings=watch(mapping, queue, run))


def _already_on(mapping: RedriverMapping, reading: MappingReading) -> Refused:
    found, state = remote_run(mapping.tags()), reading.state.lower()
    if found is None or found.ended or found.ends_at <= reading.read_at:
        return Refused(
            f"the redriver is {state}, though no redrive is on",
            hint=f"its guard turns it off within five minutes; or do it with `{mapping.off_command}`",
        )
    return Refused(
        f"the redriver is {state} already for run {found.run_id}",
        hint="wait for its end; " + our_command("status") + " shows it",
    )


def _as_recorded(record: RunRecord, began_at: datetime) -> RemoteRun:
    """The run of a journal when the mapping tells of another one since, or when it never began."""
    return RemoteRun(
        run_id=record.run_id,
        started_at=began_at,
        ends_at=began_at + LONGEST,
        max_failures=0,
        ended="the mapping tells nothing of it any more",
    )
