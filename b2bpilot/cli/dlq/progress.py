"""How a redrive shows itself while it runs: one changing line on a terminal, a line a stage elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import assert_never

from b2bpilot.ops.progress import Phase, ProgressEvent
from b2bpilot.ops.sending.pace import Pace

SHOW_EVERY_SECONDS = 0.2


class RedriveDisplay:
    """Hears of progress from the workers' threads. `tell` takes the line."""

    def __init__(self, tell: Callable[[str], None], *, pace: Pace, live: bool) -> None:
        self._tell, self._pace, self._live = tell, pace, live
        self._started = self._shown = time.monotonic()
        self._lock = threading.Lock()

    def show(self, progress: ProgressEvent) -> None:
        match progress.phase:
            case Phase.NOTICE:
                self._tell(progress.text)
            case Phase.PART_ENDED if not self._live:
                self._tell(f"{progress.text}; {progress.done:,} of {_all(progress)}")
            case Phase.SENDING if self._live:
                self._show_sending(progress)
            case Phase.LOOKING if self._live:
                self._tell("Reading the dead-letter queue")
            case Phase.PROVING if self._live:
                self._tell(f"looking at the rows: {progress.done:,} of {progress.total:,} decided")
            case Phase.PART_ENDED | Phase.SENDING | Phase.LOOKING | Phase.PROVING:
                return
            case _:
                assert_never(progress.phase)

    def _show_sending(self, progress: ProgressEvent) -> None:
        with self._lock:
            now = time.monotonic()
            if now - self._shown < SHOW_EVERY_SECONDS:
                return
            self._shown = now
            self._tell(self._line(progress, now))

    def _line(self, progress: ProgressEvent, now: float) -> str:
        rate = progress.done / max(now - self._started, 0.001)
        limit = self._pace.limits.rate
        target = f"{limit:g}/s" if limit else f"{int(self._pace.allowed)} at once"
        left = (progress.total - progress.done) / max(rate, 0.001)
        remaining = "" if progress.has_more else f"  about {left:.0f} s left"
        return (
            f"sending {progress.done:,}/{_all(progress)}  {rate:.0f}/s (limit {target})  "
            f"{progress.failed:,} failed{remaining}"
        )


def _all(progress: ProgressEvent) -> str:
    """The windows after this one are not counted yet."""
    return f"{progress.total:,}{'+' if progress.has_more else ''}"
