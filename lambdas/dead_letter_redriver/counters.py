"""What one container saw of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from b2bpilot.aws.processor import AttemptResult, ProcessorAttempt
from b2bpilot.pipeline.dead_letter import DeadLetter

COUNTED = frozenset({AttemptResult.PROCESSED, AttemptResult.FAILED, AttemptResult.UNKNOWN})
DECIDED = COUNTED | {AttemptResult.DISCARDED}
ANSWERED = DECIDED | {AttemptResult.BUSY}
"""A lease ends by itself, so whoever waits for one does not wait for ever; a throttle may last."""


@dataclass(slots=True, kw_only=True)
class RunCounters:
    """`met_at` is when the container last met a dead letter of the run, or began. `throttled_since` is when the processor took
    none of a batch for the first time since its last answer."""

    run_id: str
    met_at: float
    throttled_since: float | None = None
    tried: int = 0
    failed: int = 0
    over: str = ""
    """Why nothing is tried any more; empty while the run goes on."""
    _discarded: set[str] = field(default_factory=set)
    _resting: dict[str, float] = field(default_factory=dict)

    def count(self, attempts: Sequence[ProcessorAttempt], *, at: float) -> None:
        """Add what became of a batch that ended `at`."""
        decided = [one for one in attempts if one.result in COUNTED]
        self.tried += len(decided)
        self.failed += sum(one.result is not AttemptResult.PROCESSED for one in decided)
        if attempts:
            self.met_at = at
        if any(one.result in ANSWERED for one in attempts):
            self.throttled_since = None
        elif attempts and self.throttled_since is None:
            self.throttled_since = at

    def discard(self, dead_letters: Iterable[DeadLetter]) -> None:
        """Remember dead letters whose messages were discarded: once is enough, or a run with one of them would not end."""
        self._discarded |= {dead_letter.queue_message_id for dead_letter in dead_letters}

    def is_discarded(self, dead_letter: DeadLetter) -> bool:
        return dead_letter.queue_message_id in self._discarded

    def rest(self, dead_letters: Sequence[DeadLetter], *, until: float) -> None:
        """Remember dead letters that are not for the run and that nobody can receive for a while."""
        self._resting |= {dead_letter.queue_message_id: until for dead_letter in dead_letters}

    def known_hidden(self, batch: Sequence[DeadLetter], *, at: float) -> int:
        """Return how many dead letters are hidden by this container: those of the batch, and those that rest."""
        received = {dead_letter.queue_message_id for dead_letter in batch}
        self._resting = {
            id_: until for id_, until in self._resting.items() if until > at and id_ not in received
        }
        return len(received) + len(self._resting)
