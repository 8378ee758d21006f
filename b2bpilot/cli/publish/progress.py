"""How a run that sends messages shows itself: one changing line on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from b2bpilot.ops.publish.sending import SentItem
    from b2bpilot.ops.sending.pace import Pace

LIVE_EVERY_SECONDS, PLAIN_EVERY_SECONDS = 0.2, 5.0


class SendingDisplay:
    """Hears of batches from the workers' threads. `tell` takes the line."""

    def __init__(
        self, tell: Callable[[str], None], *, total: int, pace: Pace, live: bool, doing: str = "publishing"
    ) -> None:
        self._tell, self._total, self._pace, self._doing = tell, total, pace, doing
        self._every = LIVE_EVERY_SECONDS if live else PLAIN_EVERY_SECONDS
        self._sent = self._failed = 0
        self._started = self._shown = time.monotonic()
        self._lock = threading.Lock()

    def __call__(self, results: Sequence[SentItem]) -> None:
        with self._lock:
            self._sent += len(results)
            self._failed += sum(result.outcome.value != "accepted" for result in results)
            now = time.monotonic()
            if now - self._shown < self._every:
                return
            self._shown = now
            self._tell(self._line(now))

    def _line(self, now: float) -> str:
        rate = self._sent / max(now - self._started, 0.001)
        limit = self._pace.limits.rate
        target = f"{limit:g}/s" if limit else f"{int(self._pace.allowed)} at once"
        failed = f"{self._failed:,} not accepted  " if self._failed else ""
        left = (self._total - self._sent) / max(rate, 0.001)
        return (
            f"{self._doing} {self._sent:,}/{self._total:,}  {rate:,.0f}/s (limit {target})  "
            f"{failed}about {left:.0f} s left"
        )


class ProofDisplay:
    """Tells how many rows are decided."""

    def __init__(self, tell: Callable[[str], None], *, live: bool) -> None:
        self._tell = tell
        self._every = LIVE_EVERY_SECONDS if live else PLAIN_EVERY_SECONDS
        self._started = self._shown = time.monotonic()

    def __call__(self, decided: int, all_: int) -> None:
        now = time.monotonic()
        if now - self._shown < self._every:
            return
        self._shown = now
        rate = decided / max(now - self._started, 0.001)
        left = f"about {(all_ - decided) / rate:.0f} s left" if rate else "none yet"
        self._tell(f"looking at the rows: {decided:,} of {all_:,} decided  {left}")
