"""The redrive itself: journal, send, check entry by entry, delete; in stages, at a pace."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace

from b2bpilot.ops.dead_letters.entries import entry
from b2bpilot.ops.dead_letters.holding import BATCH
from b2bpilot.ops.ports import JournalWriter
from b2bpilot.ops.redrive.deletion import Deletions
from b2bpilot.ops.redrive.proof import RowsJudge
from b2bpilot.ops.redrive.routes import Route, SentDeadLetter
from b2bpilot.ops.sending.batches import send_batch
from b2bpilot.ops.sending.pace import Pace
from b2bpilot.pipeline.dead_letter import DeadLetter

STAGES = (1, 5, 20, 100, 500)
BARRIERS = 3
"""So many stages of a run are judged by the rows before the next one begins: a mistake shall stay small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageDone:
    """A stage that ended: for the display, and for the decision to go on. `failed` is what the route or the rows did not
    confirm."""

    number: int
    handled: Sequence[SentDeadLetter]
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """`max_failures` is the share of a stage that may fail before the run stops, 0.2 for a fifth."""

    max_failures: float = 0.2
    stages: tuple[int, ...] = STAGES

    def from_stage(self, number: int) -> Rules:
        """Return the rules of a run that goes on with this stage."""
        return replace(self, stages=self.stages[number - 1 :] or self.stages[-1:])


Observe = Callable[[Sequence[SentDeadLetter]], None]


class Engine:
    """One run's sending half. Dead letters are sent in their order, stage by stage; what was confirmed is deleted meanwhile."""

    def __init__(
        self,
        *,
        run_id: str,
        route: Route,
        journal: JournalWriter,
        deletions: Deletions,
        pace: Pace,
        rules: Rules,
        judge: RowsJudge | None = None,
        first_stage: int = 1,
    ) -> None:
        """Without a judge, or on a route that gives results, stages are judged by what the route says."""
        self._run_id = run_id
        self._route = route
        self._journal = journal
        self._deletions = deletions
        self._pace = pace
        self._rules = rules
        self._judge = judge
        self._first_stage = first_stage
        self.stopped = False
        """A stage had too many failures."""

    def run(
        self,
        dead_letters: Sequence[DeadLetter],
        *,
        observe: Observe = lambda _: None,
        stopping: Callable[[], None] = lambda: None,
    ) -> Generator[StageDone]:
        """Yield each stage when it was sent and judged; the last one has too many failures or no dead letters after it, or was
        under way when the one before it turned out so.

        The next stage begins when it is certain that the route has not refused too many of this one, and that the rows do
        not deny too many of the one before; of the first stages, of this one. `observe` hears of every batch meanwhile,
        from the workers' threads; `stopping` hears of an interruption, before the calls under way are waited for. Close
        the iterator: until then, dead letters may still be sent.

        Raises what is fatal for all dead letters, after the calls that are under way have ended and were journalled.
        """
        earlier: _Sending | None = None
        with self._pool() as pool, self._ending_the_pace(stopping):
            for number, stage in enumerate(stages(dead_letters, self._rules.stages), start=self._first_stage):
                sending = self._begin(number, stage, pool, observe)
                if earlier is not None:
                    yield self._judged(earlier)
                    if self.stopped:
                        yield self._judged(sending)
                        return
                earlier = sending
                if self._judge is not None and number <= BARRIERS:
                    earlier = None
                    yield self._judged(sending)
                    if self.stopped:
                        return
                elif not sending.will_do(most_failures=self._most_failures(len(stage))):
                    self.stopped = True
                    break
                self._deletions.flush()
            if earlier is not None:
                yield self._judged(earlier)

    def _judged(self, sending: _Sending) -> StageDone:
        """Wait for the stage's last dead letter and, where there is a judge, for the rows."""
        handled = sending.handled()
        most = self._most_failures(len(handled))
        failed = sum(not one.result.is_confirmed for one in handled)
        if self._judge is not None:
            accepted = [one for one in handled if one.result.is_confirmed]
            failed += self._judge.unconfirmed(accepted, most=max(0, most - failed))
        self.stopped = self.stopped or failed > most
        return StageDone(number=sending.number, handled=handled, failed=failed)

    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._pace.limits.concurrency)

    def _begin(
        self, number: int, stage: Sequence[DeadLetter], pool: ThreadPoolExecutor, observe: Observe
    ) -> _Sending:
        workers = 1 if self._route.sends_batches else self._pace.limits.concurrency
        batches = split(stage, workers=workers)
        return _Sending(number, [pool.submit(self._watched, batch, observe) for batch in batches], len(stage))

    def _most_failures(self, dead_letters: int) -> int:
        return int(dead_letters * self._rules.max_failures)

    @contextmanager
    def _ending_the_pace(self, stopping: Callable[[], None]) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._pace.end()
            stopping()
            raise

    def _watched(self, batch: Sequence[DeadLetter], observe: Observe) -> list[SentDeadLetter]:
        handled = self._handle(batch)
        observe(handled)
        return handled

    def _handle(self, batch: Sequence[DeadLetter]) -> list[SentDeadLetter]:
        with self._pace.slot(len(batch)):
            self._deletions.check()
            self._journal.write(*(entry("sending", dead_letter) for dead_letter in batch))
            sent = send_batch(
                batch, lambda some: self._route.send(some, run_id=self._run_id), pace=self._pace
            )
            handled = [
                SentDeadLetter(dead_letter=dead_letter, result=one)
                for dead_letter, one in zip(batch, sent, strict=True)
            ]
            self._journal.write(*(_result(one) for one in handled), durable=False)
        self._deletions.sent(handled)
        for one in sent:
            if one.fatal:
                raise one.fatal
        return handled


class _Sending:
    """A stage that is being sent."""

    def __init__(
        self, number: int, batches: Sequence[Future[list[SentDeadLetter]]], dead_letters: int
    ) -> None:
        self.number = number
        self._batches = batches
        self._dead_letters = dead_letters

    def will_do(self, *, most_failures: int) -> bool:
        """Return as soon as it is certain whether the stage has too many failures, whatever its last dead letters do."""
        open_, failed = self._dead_letters, 0
        for batch in as_completed(self._batches):
            handled = batch.result()
            open_ -= len(handled)
            failed += sum(not one.result.is_confirmed for one in handled)
            if failed > most_failures or failed + open_ <= most_failures:
                break
        return failed <= most_failures

    def handled(self) -> list[SentDeadLetter]:
        """Wait for the last dead letter."""
        return [one for batch in self._batches for one in batch.result()]


def stages(dead_letters: Sequence[DeadLetter], sizes: Sequence[int]) -> Iterator[Sequence[DeadLetter]]:
    """Cut dead letters into stages; after the last size it repeats."""
    start = 0
    for size in itertools.chain(sizes, itertools.repeat(sizes[-1])):
        if start >= len(dead_letters):
            return
        yield dead_letters[start : start + size]
        start += size


def split(stage: Sequence[DeadLetter], *, workers: int) -> list[Sequence[DeadLetter]]:
    """Cut a stage into batches: small enough to use all workers, and never more than SQS takes."""
    size = min(BATCH, max(1, math.ceil(len(stage) / workers)))
    return [stage[start : start + size] for start in range(0, len(stage), size)]


def _result(handled: SentDeadLetter) -> Mapping[str, object]:
    event = "accepted" if handled.result.is_confirmed else "failed"
    return entry(event, handled.dead_letter, verdict=handled.result.outcome.value, error=handled.result.error)
