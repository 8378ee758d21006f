"""What the function does with a batch, and when its run is over. Why it can neither loop nor lose: decision 6."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from b2bpilot.aws.processor import AttemptResult, Invokable, ProcessorAttempt
from b2bpilot.aws.queue import Outgoing, Unsent
from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.errors import AwsError
from b2bpilot.pipeline.dead_letter import DeadLetter, with_owner
from b2bpilot.pipeline.remote_run import RemoteRun, belongs
from lambdas.dead_letter_redriver.attempts import try_all
from lambdas.dead_letter_redriver.counters import DECIDED, RunCounters
from lambdas.dead_letter_redriver.dead_letters import failed_again
from lambdas.dead_letter_redriver.rules import REST_SECONDS, over_by_itself, rest_seconds
from lambdas.dead_letter_redriver.subscribers import KnownSubscribers
from lambdas.dead_letter_redriver.switch import Position

logger = logging.getLogger(__name__)

FEWEST_FAILURES = 10
"""The share of failures says nothing before there are so many of them."""

IDLE_SECONDS, LONG_IDLE_SECONDS = 15.0, 120.0
"""A container that met no dead letter of the run for so long ends it; after the longer time also when the queue shows dead letters, or
when it met some of which the processor took none."""

SETTLED = timedelta(minutes=2)
"""SQS's counters lag a minute (docs/aws-facts.md#sqs-counters): before that the guard does not believe that the queue is
empty."""


class RedriverQueue(Protocol):
    """The part of aws.queue.DeadLetterQueue that is used here."""

    def counters(self) -> Counters: ...
    def extend(self, dead_letters: Sequence[DeadLetter], seconds: int) -> list[DeadLetter]: ...
    def send(self, messages: Sequence[Outgoing]) -> list[Unsent]: ...


class RunSwitch(Protocol):
    def position(self) -> Position: ...
    def position_now(self) -> Position: ...
    def end(self, run_id: str, because: str) -> None: ...


class ContainerRedriver:
    """One container's. Containers do not know each other: each ends the run for all by disabling the mapping."""

    def __init__(
        self,
        *,
        queue: RedriverQueue,
        processor: Invokable,
        switch: RunSwitch,
        own: KnownSubscribers,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`now` is AWS's time: that is when a run begins and ends, and when dead letters were sent."""
        self._queue, self._processor, self._switch = queue, processor, switch
        self._own, self._now, self._clock = own, now, clock
        self._counters = RunCounters(run_id="", met_at=clock())

    def redrive(
        self, dead_letters: Sequence[DeadLetter], *, seconds_left: Callable[[], float]
    ) -> list[DeadLetter]:
        """Try the dead letters of the run and return those that stay in the queue; the mapping deletes the others.

        What is another subscriber's stays as it is: with its id, its body and its attributes.
        """
        run = self._begin()
        subscribers = replace(self._own, evidence=run.evidence) if run else self._own
        dead_letters = [with_owner(dead_letter, subscribers) for dead_letter in dead_letters]
        mine = [
            dead_letter
            for dead_letter in dead_letters
            if run and belongs(dead_letter, run) and not self._counters.is_discarded(dead_letter)
        ]
        attempts = try_all(self._processor, mine, run_id=run.run_id, seconds_left=seconds_left) if run else []
        self._counters.discard(one.dead_letter for one in attempts if one.result is AttemptResult.DISCARDED)
        gone = {one.dead_letter.queue_message_id for one in attempts if one.result is AttemptResult.PROCESSED}
        gone |= self._replace([one for one in attempts if one.result is AttemptResult.FAILED])
        stay = [dead_letter for dead_letter in dead_letters if dead_letter.queue_message_id not in gone]
        if run and not self._counters.over:
            self._counters.over = self._over_after(attempts, run, batch=dead_letters)
        self._give_back(
            stay, [dead_letter for dead_letter in mine if not self._counters.is_discarded(dead_letter)], run
        )
        _log(self._counters, attempts, stay)
        if self._counters.over:
            self._end()
        return stay

    def guard(self) -> None:
        """End what nobody else ends: an empty queue hands nothing to anybody, and a mapping may be left on by hand.

        The counters are read each time: SQS reports a queue that nobody touches late, and so its first dead letter (decision 29).
        A run whose time is over ends although they cannot be read.
        """
        try:
            left = self._queue.counters().total
        except AwsError:
            self._guard(left=None)
            raise
        self._guard(left=left)

    def _guard(self, *, left: int | None) -> None:
        position = self._switch.position_now()
        if not position.is_on:
            return
        because = over_by_itself(position.run, self._now())
        is_settled = position.run and self._now() >= position.run.started_at + SETTLED
        if not because and is_settled and left == 0:
            because = "nothing is left in the queue"
        if because:
            self._switch.end(position.run_id, because)

    def _begin(self) -> RemoteRun | None:
        """Return the run to work for. Without one the dead letters go back, and the counters say whether a run must be ended."""
        try:
            position = self._switch.position()
        except AwsError as exc:
            _warn("The run cannot be read", "not_read", exc)
            position, over = Position(is_on=False, run=None), f"the run cannot be read: {exc}"
        else:
            over = over_by_itself(position.run, self._now()) if position.is_on else ""
        if position.run_id != self._counters.run_id:
            self._counters = RunCounters(run_id=position.run_id, met_at=self._clock())
        self._counters.over = self._counters.over or over
        return position.run if position.is_on and not self._counters.over else None

    def _replace(self, failed: Sequence[ProcessorAttempt]) -> set[str]:
        """Write a dead letter with the new failure for each, and return the ids of those whose place was taken.

        Sent first and deleted after: what comes between leaves two dead letters of one message, never none.
        """
        run_id = self._counters.run_id
        unsent = self._queue.send(
            [failed_again(one.dead_letter, run_id=run_id, error=one.error) for one in failed]
        )
        if unsent:
            self._counters.over = f"a failure could not be written to the queue: {unsent[0].error}"
        lost = {one.place for one in unsent}
        return {one.dead_letter.queue_message_id for place, one in enumerate(failed) if place not in lost}

    def _over_after(
        self, attempts: Sequence[ProcessorAttempt], run: RemoteRun, *, batch: Sequence[DeadLetter]
    ) -> str:
        """Return why the run is over after these attempts, or nothing."""
        self._counters.count(attempts, at=self._clock())
        if because := self._failing(attempts, run):
            return because
        is_last = all(one.result in DECIDED for one in attempts) and self._is_last(batch)
        return "nothing is left to try" if is_last else ""

    def _failing(self, attempts: Sequence[ProcessorAttempt], run: RemoteRun) -> str:
        counted = self._counters
        if refused := [one.error for one in attempts if one.result is AttemptResult.REFUSED]:
            return refused[0]
        if counted.failed >= FEWEST_FAILURES and counted.failed > run.max_failures * counted.tried:
            return f"too many failures: {counted.failed} of {counted.tried}"
        since = counted.throttled_since
        if attempts and since is not None and self._clock() - since >= LONG_IDLE_SECONDS:
            return f"the processor took no dead letter for {LONG_IDLE_SECONDS:.0f} s: {attempts[0].error}"
        return ""

    def _is_last(self, batch: Sequence[DeadLetter]) -> bool:
        """Whether the queue has nothing beside this batch and what was given back before, or has handed out nothing of the
        run for a while."""
        try:
            counters = self._queue.counters()
        except AwsError:
            return False
        idle = self._clock() - self._counters.met_at
        if counters.visible + counters.delayed == 0:
            known = self._counters.known_hidden(batch, at=self._clock())
            return counters.hidden <= known or idle >= IDLE_SECONDS
        return idle >= LONG_IDLE_SECONDS

    def _give_back(
        self, stay: Sequence[DeadLetter], mine: Sequence[DeadLetter], run: RemoteRun | None
    ) -> None:
        """Show dead letters again soon; without it they were hidden for the queue's own, long time."""
        by_seconds: dict[int, list[DeadLetter]] = {}
        for dead_letter in stay:
            seconds = REST_SECONDS if dead_letter in mine else self._rest_seconds(run)
            by_seconds.setdefault(seconds, []).append(dead_letter)
        for seconds, group in by_seconds.items():
            try:
                refused = self._queue.extend(group, seconds)
            except AwsError as exc:
                _warn("Dead letters stay hidden", "not_given_back", exc)
            else:
                resting = [
                    dead_letter
                    for dead_letter in group
                    if dead_letter not in mine and dead_letter not in refused
                ]
                self._counters.rest(resting, until=self._clock() + seconds)

    def _rest_seconds(self, run: RemoteRun | None) -> int:
        """How long a dead letter rests that is not for the run. Once none was met for a while, it comes back when the run can end."""
        idle = self._clock() - self._counters.met_at
        if run is None or self._counters.over or idle >= IDLE_SECONDS:
            return REST_SECONDS
        seconds = rest_seconds(run, self._now())
        return min(seconds, math.ceil(IDLE_SECONDS - idle)) if idle >= IDLE_SECONDS / 2 else seconds

    def _end(self) -> None:
        try:
            self._switch.end(self._counters.run_id, self._counters.over)
        except AwsError as exc:
            _warn("The mapping could not be disabled; the next batch or the guard does it", "not_ended", exc)


def _log(counted: RunCounters, attempts: Sequence[ProcessorAttempt], stay: Sequence[DeadLetter]) -> None:
    for one in attempts:
        if one.error and one.dead_letter.message:
            extra = {
                "event": "redrive_failed",
                "message_id": one.dead_letter.message.message_id,
                "run_id": counted.run_id,
                "result": one.result.value,
                "error": one.error,
            }
            logger.warning("Dead letter not processed", extra=extra)
    counts = {result.name.lower(): sum(one.result is result for one in attempts) for result in AttemptResult}
    fields = {"run_id": counted.run_id, "stay": len(stay), "over": counted.over}
    logger.info("Batch redriven", extra={"event": "redrive_batch", "message_id": None, **counts, **fields})


def _warn(text: str, event: str, error: AwsError) -> None:
    logger.warning(text, extra={"event": event, "message_id": None, "error": str(error)})
