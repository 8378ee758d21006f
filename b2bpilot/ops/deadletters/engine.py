"""The redrive itself: journal, send, check entry by entry, delete; in stages, at a pace (design 11)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace

from b2bpilot.ops.deadletters.deletions import Deletions, Held
from b2bpilot.ops.deadletters.entries import Journal, entry
from b2bpilot.ops.deadletters.holding import BATCH
from b2bpilot.ops.deadletters.pace import Pace
from b2bpilot.ops.deadletters.routes import Route, Sent, Verdict
from b2bpilot.pipeline.deadletter import DeadLetter

STAGES = (1, 5, 20, 100, 500)
THROTTLE_TRIES = 8
RECHECKED_STAGES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """What became of sending one letter."""

    letter: DeadLetter
    sent: Sent


@dataclass(frozen=True, slots=True, kw_only=True)
class StageDone:
    """A stage that ended: for the display, and for the decision to go on."""

    number: int
    handled: Sequence[Handled]

    @property
    def failed(self) -> int:
        return sum(not one.sent.confirmed for one in self.handled)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """`max_failures` is the share of a stage that may fail before the run stops, 0.2 for a fifth."""

    max_failures: float = 0.2
    stages: tuple[int, ...] = STAGES


Recheck = Callable[[Sequence[Handled]], Sequence[Handled]]
"""Asks the rows whether what was accepted of a stage was also stored; for the first stages, before the next one."""


Observe = Callable[[Sequence[Handled]], None]


class Engine:
    """One run's sending half. Letters are sent in their order, stage by stage; what was confirmed is deleted meanwhile."""

    def __init__(
        self, *, run_id: str, held: Held, route: Route, journal: Journal, pace: Pace, rules: Rules
    ) -> None:
        self._run_id = run_id
        self._route = route
        self._journal = journal
        self._deletions = Deletions(held, journal)
        self._pace = pace
        self._rules = rules

    def run(
        self,
        letters: Sequence[DeadLetter],
        *,
        recheck: Recheck | None = None,
        observe: Observe = lambda _: None,
        stopping: Callable[[], None] = lambda: None,
    ) -> Iterator[StageDone]:
        """Yield each stage when it was sent; the last one has too many failures or no letters after it. The next stage begins
        when it is certain that this one has not too many. `observe` hears of every batch meanwhile, from the workers' threads;
        `stopping` hears of an interruption, before the calls under way are waited for. Deletions end with the last stage:
        `deleted` is complete then.

        Raises what is fatal for all letters, after the calls that are under way have ended and were journalled.
        """
        sending: _Sending | None = None
        with self._deletions, self._pool() as pool, self._ending_the_pace(stopping):
            for number, letters_of_stage in enumerate(stages(letters, self._rules.stages), start=1):
                last, sending = sending, self._begin(number, letters_of_stage, pool, observe)
                if last is not None:
                    yield last.done()
                if recheck is not None and number <= RECHECKED_STAGES:
                    done = StageDone(number=number, handled=recheck(sending.done().handled))
                    yield done
                    if self._is_too_bad(done):
                        return
                    sending = None
                elif not sending.will_do(most_failures=self._most_failures(len(letters_of_stage))):
                    break
                self._deletions.flush()
            if sending is not None:
                yield sending.done()

    @property
    def deleted(self) -> set[str]:
        """The queue's ids of what SQS confirmed to be gone."""
        return self._deletions.deleted

    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._pace.limits.concurrency)

    def _begin(
        self, number: int, stage: Sequence[DeadLetter], pool: ThreadPoolExecutor, observe: Observe
    ) -> _Sending:
        workers = 1 if self._route.sends_batches else self._pace.limits.concurrency
        batches = split(stage, workers=workers)
        return _Sending(number, [pool.submit(self._watched, batch, observe) for batch in batches], len(stage))

    def _most_failures(self, letters: int) -> int:
        return int(letters * self._rules.max_failures)

    def _is_too_bad(self, done: StageDone) -> bool:
        return done.failed > self._most_failures(len(done.handled))

    @contextmanager
    def _ending_the_pace(self, stopping: Callable[[], None]) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._pace.end()
            stopping()
            raise

    def _watched(self, batch: Sequence[DeadLetter], observe: Observe) -> list[Handled]:
        handled = self._handle(batch)
        observe(handled)
        return handled

    def _handle(self, batch: Sequence[DeadLetter]) -> list[Handled]:
        with self._pace.slot(len(batch)):
            self._deletions.check()
            self._journal.write(*(entry("sending", letter) for letter in batch))
            sent = self._send(batch)
            handled = [Handled(letter=letter, sent=one) for letter, one in zip(batch, sent, strict=True)]
            self._journal.write(*(_result(one) for one in handled), durable=False)
        self._deletions.put([one.letter for one in handled if one.sent.confirmed])
        return handled

    def _send(self, batch: Sequence[DeadLetter]) -> list[Sent]:
        """Send, and send again what was throttled: a full function is no failure of the message (facts H4)."""
        results = self._route.send(batch, run_id=self._run_id)
        for _ in range(THROTTLE_TRIES):
            again = [n for n, one in enumerate(results) if one.verdict is Verdict.THROTTLED]
            if not again:
                self._pace.succeeded()
                break
            self._pace.throttled()
            answers = self._route.send([batch[n] for n in again], run_id=self._run_id)
            for n, answer in zip(again, answers, strict=True):
                results[n] = answer
        return results


class _Sending:
    """A stage that is being sent."""

    def __init__(self, number: int, batches: Sequence[Future[list[Handled]]], letters: int) -> None:
        self._number = number
        self._batches = batches
        self._letters = letters

    def will_do(self, *, most_failures: int) -> bool:
        """Return as soon as it is certain whether the stage has too many failures, whatever its last letters do."""
        open_, failed = self._letters, 0
        for batch in as_completed(self._batches):
            handled = batch.result()
            open_ -= len(handled)
            failed += sum(not one.sent.confirmed for one in handled)
            if failed > most_failures or failed + open_ <= most_failures:
                break
        return failed <= most_failures

    def done(self) -> StageDone:
        """Wait for the last letter."""
        return StageDone(
            number=self._number, handled=[one for batch in self._batches for one in batch.result()]
        )


def stages(letters: Sequence[DeadLetter], sizes: Sequence[int]) -> Iterator[Sequence[DeadLetter]]:
    """Cut letters into stages; after the last size it repeats."""
    start = 0
    for size in itertools.chain(sizes, itertools.repeat(sizes[-1])):
        if start >= len(letters):
            return
        yield letters[start : start + size]
        start += size


def split(stage: Sequence[DeadLetter], *, workers: int) -> list[Sequence[DeadLetter]]:
    """Cut a stage into batches: small enough to use all workers, and never more than SQS takes."""
    size = min(BATCH, max(1, math.ceil(len(stage) / workers)))
    return [stage[start : start + size] for start in range(0, len(stage), size)]


def failed_again(handled: Handled, error: str) -> Handled:
    """Return a letter that was accepted and whose row says that it failed."""
    return replace(handled, sent=Sent(verdict=Verdict.FAILED, error=error))


def _result(handled: Handled) -> Mapping[str, object]:
    event = "accepted" if handled.sent.confirmed else "failed"
    return entry(event, handled.letter, verdict=handled.sent.verdict.value, error=handled.sent.error)
