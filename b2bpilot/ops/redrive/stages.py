"""Sending in stages: journal, send, check entry by entry, delete; a stage with too many failures is the last."""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from b2bpilot.ops.dead_letters.holding import BATCH
from b2bpilot.ops.ports import JournalWriter
from b2bpilot.ops.progress import SendCounter
from b2bpilot.ops.redrive.deletion import Deletions
from b2bpilot.ops.redrive.options import RedriveOptions
from b2bpilot.ops.redrive.proof import StageProof
from b2bpilot.ops.redrive.routes import Route, SentDeadLetter
from b2bpilot.ops.runs.journal import entry
from b2bpilot.ops.sending.batches import send_batch
from b2bpilot.ops.sending.pace import Pace
from b2bpilot.pipeline.dead_letter import DeadLetter

BARRIERS = 3
"""How many stages of a run are judged by the rows before the next one begins: a mistake shall stay small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedStage:
    """`failed` is what the route or the rows did not confirm."""

    number: int
    sent: Sequence[SentDeadLetter]
    failed: int

    def __str__(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        return f"stage {self.number}: {len(self.sent):,} sent{failed}"


class StagedSending:
    """Sends dead letters in their order, stage by stage; what may be deleted is deleted meanwhile."""

    def __init__(
        self,
        *,
        route: Route,
        journal: JournalWriter,
        deletions: Deletions,
        pace: Pace,
        options: RedriveOptions,
        first_stage: int = 1,
        rows: StageProof | None = None,
        counter: SendCounter | None = None,
    ) -> None:
        """Without `rows`, stages are judged by what the route says."""
        self.stopped = False
        """A stage had too many failures."""
        self._route = route
        self._journal = journal
        self._deletions = deletions
        self._pace = pace
        self._options = options
        self._sizes = options.stages[first_stage - 1 :] or options.stages[-1:]
        self._first_stage = first_stage
        self._rows = rows
        self._counter = counter or SendCounter()

    def run(self, dead_letters: Sequence[DeadLetter]) -> Generator[EndedStage]:
        """Yield each stage when it was sent and judged; the last one has too many failures or no dead letters after it, or was
        under way when the one before it turned out so.

        The next stage begins when it is certain that the route has not refused too many of this one, and that the rows do
        not deny too many of the one before; of the first stages, of this one. Close the iterator: until then, dead letters
        may still be sent.

        Raises what is fatal for all dead letters, after the calls that are under way have ended and were journalled.
        """
        earlier: _StageUnderWay | None = None
        with self._pool() as pool, self._ending_the_pace():
            for number, stage in enumerate(stages(dead_letters, self._sizes), start=self._first_stage):
                under_way = self._begin(number, stage, pool)
                if earlier is not None:
                    yield self._end(earlier)
                    if self.stopped:
                        yield self._end(under_way)
                        return
                earlier = under_way
                if self._rows is not None and number <= BARRIERS:
                    earlier = None
                    yield self._end(under_way)
                    if self.stopped:
                        return
                elif not under_way.will_do(most_failures=self._most_failures(len(stage))):
                    self.stopped = True
                    break
                self._deletions.flush()
            if earlier is not None:
                yield self._end(earlier)

    def _end(self, under_way: _StageUnderWay) -> EndedStage:
        """Wait for the stage's last dead letter and, where they are asked, for the rows."""
        sent = under_way.sent()
        most = self._most_failures(len(sent))
        failed = sum(not one.result.is_confirmed for one in sent)
        if self._rows is not None:
            accepted = [one for one in sent if one.result.is_confirmed]
            failed += self._rows.unconfirmed(accepted, most=max(0, most - failed))
        self.stopped = self.stopped or failed > most
        ended = EndedStage(number=under_way.number, sent=sent, failed=failed)
        self._counter.part_ended(str(ended))
        return ended

    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._pace.limits.concurrency)

    def _begin(self, number: int, stage: Sequence[DeadLetter], pool: ThreadPoolExecutor) -> _StageUnderWay:
        workers = 1 if self._route.sends_batches else self._pace.limits.concurrency
        batches = split(stage, workers=workers)
        return _StageUnderWay(number, [pool.submit(self._send, batch) for batch in batches], len(stage))

    def _most_failures(self, dead_letters: int) -> int:
        return int(dead_letters * self._options.max_failures)

    @contextmanager
    def _ending_the_pace(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._pace.end()
            self._counter.stopping()
            raise

    def _send(self, batch: Sequence[DeadLetter]) -> list[SentDeadLetter]:
        """Journal, send, journal, delete; then raise what is fatal."""
        with self._pace.slot(len(batch)):
            self._deletions.check()
            self._journal.write(*(entry("sending", dead_letter) for dead_letter in batch))
            results = send_batch(
                batch, lambda some: self._route.send(some, run_id=self._journal.run_id), pace=self._pace
            )
            sent = [
                SentDeadLetter(dead_letter=dead_letter, result=result)
                for dead_letter, result in zip(batch, results, strict=True)
            ]
            self._journal.write(*map(_result, sent), durable=False)
        self._deletions.sent(sent)
        for result in results:
            if result.fatal:
                raise result.fatal
        self._counter.sent(len(sent), failed=sum(not one.result.is_confirmed for one in sent))
        return sent


class _StageUnderWay:
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
            sent = batch.result()
            open_ -= len(sent)
            failed += sum(not one.result.is_confirmed for one in sent)
            if failed > most_failures or failed + open_ <= most_failures:
                break
        return failed <= most_failures

    def sent(self) -> list[SentDeadLetter]:
        """Wait for the last dead letter."""
        return [one for batch in self._batches for one in batch.result()]


def last_stage(route: Route, *, wait: timedelta, max_failures: float) -> str:
    """Return which stage ends a run. Where AWS only accepts, the rows tell, and the next stage may be under way already."""
    if max_failures >= 1:
        return "no stage is the last for its failures"
    stage = f"a stage with more than {max_failures:.0%}"
    if route.answers:
        return f"{stage} failures is the last"
    if not wait:
        return f"{stage} refused by AWS is the last"
    return f"{stage} failures is the last, or the one after it"


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


def _result(sent: SentDeadLetter) -> Mapping[str, object]:
    event = "accepted" if sent.result.is_confirmed else "failed"
    return entry(event, sent.dead_letter, verdict=sent.result.outcome.value, error=sent.result.error)
