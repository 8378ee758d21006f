"""How a redrive shows itself while it runs: one changing line on a terminal, a line a stage elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from b2bpilot.ops.redrive.routes import SentDeadLetter
    from b2bpilot.ops.redrive.run import Watch
    from b2bpilot.ops.redrive.stages import StageDone
    from b2bpilot.ops.sending.pace import Pace

SHOW_EVERY_SECONDS = 0.2


class RedriveDisplay:
    """Hears of batches from the workers' threads. `tell` takes the line."""

    def __init__(self, tell: Callable[[str], None], *, pace: Pace, live: bool) -> None:
        self._tell, self._pace, self._live = tell, pace, live
        self._total = self._sent = self._failed = 0
        self._more = False
        self._started = self._shown = time.monotonic()
        self._lock = threading.Lock()

    def watch(self) -> Watch:
        from b2bpilot.cli.dlq.redrive_report import too_many_attributes
        from b2bpilot.ops.redrive.run import Watch

        return Watch(
            taking=self._taking,
            window=self._window,
            batch=self._batch,
            stage=self._stage,
            proof=self._proof,
            too_many_attributes=lambda count: self._tell(too_many_attributes(count)),
            stopping=self._stopping,
        )

    def _stopping(self) -> None:
        self._tell("stopping: nothing more is sent; waiting for the calls that are under way")

    def _taking(self) -> None:
        if self._live:
            self._tell("Looking at the dead-letter queue")

    def _window(self, dead_letters: int, more: bool) -> None:
        self._total += dead_letters
        self._more = more

    def _batch(self, handled: Sequence[SentDeadLetter]) -> None:
        with self._lock:
            self._sent += len(handled)
            self._failed += sum(not one.result.is_confirmed for one in handled)
            now = time.monotonic()
            if not self._live or now - self._shown < SHOW_EVERY_SECONDS:
                return
            self._shown = now
            self._tell(self._line(now))

    def _stage(self, done: StageDone) -> None:
        if self._live:
            return
        failed = f", {done.failed} failed" if done.failed else ""
        self._tell(
            f"stage {done.number}: {len(done.handled):,} sent{failed}; {self._sent:,} of {self._all()}"
        )

    def _proof(self, decided: int, all_: int) -> None:
        if self._live:
            self._tell(f"looking at the rows: {decided:,} of {all_:,} decided")

    def _line(self, now: float) -> str:
        rate = self._sent / max(now - self._started, 0.001)
        limit = self._pace.limits.rate
        target = f"{limit:g}/s" if limit else f"{int(self._pace.allowed)} at once"
        left = (self._total - self._sent) / max(rate, 0.001)
        remaining = "" if self._more else f"  about {left:.0f} s left"
        return (
            f"sending {self._sent:,}/{self._all()}  {rate:.0f}/s (limit {target})  "
            f"{self._failed:,} failed{remaining}"
        )

    def _all(self) -> str:
        """The windows after this one are not counted yet."""
        return f"{self._total:,}{'+' if self._more else ''}"
