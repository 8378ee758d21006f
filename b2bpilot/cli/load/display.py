"""How a load shows itself: a line while it runs, and at the end its figures, a histogram and its verdicts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from b2bpilot.advice import Words
from b2bpilot.cli.output import Line, of_state
from b2bpilot.cli.publish.progress import LIVE_EVERY_SECONDS, PLAIN_EVERY_SECONDS
from b2bpilot.plural import many

if TYPE_CHECKING:
    from b2bpilot.ops.load.clients import LoadAttempt
    from b2bpilot.ops.load.plan import LoadPlan
    from b2bpilot.ops.load.report import LoadLatency, PromiseCheck, Report

BAR, VERDICT = 40, 17
WHOLE_MILLISECONDS = 10
"""From here on a fraction of a millisecond says nothing."""


class LoadDisplay:
    """Hears of requests from the clients' threads. `tell` takes the line."""

    def __init__(self, tell: Callable[[str], None], plan: LoadPlan, *, live: bool) -> None:
        self._tell, self._plan = tell, plan
        self._every = LIVE_EVERY_SECONDS if live else PLAIN_EVERY_SECONDS
        self._accepted = self._errors = 0
        self._started = self._shown = time.monotonic()
        self._lock = threading.Lock()

    def __call__(self, attempt: LoadAttempt) -> None:
        with self._lock:
            self._accepted += attempt.error is None
            self._errors += attempt.error is not None
            now = time.monotonic()
            if now - self._shown < self._every:
                return
            self._shown = now
            self._tell(self._line(now - self._started))

    def _line(self, seconds: float) -> str:
        rate = self._accepted / max(seconds, 0.001)
        errors = f"  {self._errors:,} not accepted" if self._errors else ""
        return f"{self._accepted:,}{self._of()} accepted  {rate:,.0f}/s{errors}  {self._left(seconds, rate)}"

    def _of(self) -> str:
        messages = self._plan.messages
        return f"/{self._requests(messages):,}" if messages else ""

    def _requests(self, messages: int) -> int:
        return messages + int(messages * self._plan.duplicates + 1e-9)

    def _left(self, seconds: float, rate: float) -> str:
        messages, duration = self._plan.messages, self._plan.duration
        if duration is not None:
            return f"{max(0.0, duration.total_seconds() - seconds):.0f} s left"
        left = (self._requests(messages or 0) - self._accepted) / max(rate, 0.001)
        return f"about {left:.0f} s left"


def told(report: Report, *, ascii_only: bool) -> Iterator[Words | Line]:
    """Return the report for people."""
    yield ""
    yield (
        f"{many(report.accepted, 'request')} accepted in {report.seconds:.1f} s: {report.requests_per_second:,.0f} a second, "
        f"from {many(report.plan.clients, 'client')}"
    )
    yield ""
    yield f"{'':17}{'p50':>10}{'p95':>10}{'p99':>10}{'max':>10}"
    yield _latency("accept", report.accept)
    yield _latency("accept to stored", report.store)
    yield from _priorities(report)
    if report.early:
        yield f"  {report.early}"
    if report.clock_error_ms > 1:
        yield f"  the clocks of this machine and the database could be compared to {report.clock_error_ms:.0f} ms only"
    yield from _histogram("accept", report.accept, ascii_only=ascii_only)
    yield from _histogram("accept to stored", report.store, ascii_only=ascii_only)
    if report.troubles:
        yield ""
        yield "Not accepted at once"
        for trouble in report.troubles:
            yield f"  {trouble.count:,} x {trouble.kind}, {trouble.first_at:%H:%M:%S} to {trouble.last_at:%H:%M:%S} UTC"
    if report.story:
        yield ""
        yield "What happened (UTC)"
        yield from (f"  {line}" for line in report.story)
    yield ""
    yield from verdicts(report.checks)
    yield ""
    yield from cleaned(report)


def _priorities(report: Report) -> Iterator[str]:
    if report.urgency is not None:
        for priority, latency in report.urgency.latency.items():
            yield _latency(f"  {priority.value}", latency)
        yield f"  {report.urgency.sentence}"


def verdicts(checks: Sequence[PromiseCheck]) -> Iterator[Line]:
    for check in checks:
        word = check.verdict.value.upper()
        gap = " " * (VERDICT - len(word))
        yield Line(of_state(word) + f"{gap}{check.promise}: {check.detail}", indent=VERDICT)


def cleaned(report: Report) -> Iterator[Words]:
    done = report.cleaning
    if done.rows or done.dead_letters:
        dead_letters = f" and {many(done.dead_letters, 'dead letter')}" if done.dead_letters else ""
        yield f"Removed {many(done.rows, 'row')}{dead_letters}"
    for line in done.left:
        yield "Not removed: " + line


def _latency(name: str, latency: LoadLatency) -> str:
    from b2bpilot.ops.load.report import PERCENTILES

    values = [latency.percentile(percent) for percent in PERCENTILES.values()]
    return f"{name:17}" + "".join(
        f"{'unknown' if value is None else _duration(value):>10}" for value in values
    )


def _histogram(name: str, latency: LoadLatency, *, ascii_only: bool) -> Iterator[str]:
    from b2bpilot.ops.load.report import histogram

    buckets = histogram(latency.values)
    if not buckets:
        return
    yield ""
    yield f"{name}, requests" if name == "accept" else f"{name}, messages"
    most = max(bucket.count for bucket in buckets)
    for bucket in buckets:
        size = round(bucket.count / most * BAR)
        bar = ("#" if ascii_only else "█") * size or ("." if bucket.count else "")
        yield f"  {_duration(bucket.low):>7} to {_bound(bucket.high):<7} {bar:<{BAR}} {bucket.count:,}".rstrip()


def _bound(milliseconds: float) -> str:
    return "more" if milliseconds == float("inf") else _duration(milliseconds)


def _duration(milliseconds: float) -> str:
    if milliseconds >= 1_000:  # noqa: PLR2004
        return f"{milliseconds / 1000:g} s" if milliseconds % 100 == 0 else f"{milliseconds / 1000:.2f} s"
    return (
        f"{milliseconds:.0f} ms"
        if milliseconds >= WHOLE_MILLISECONDS or milliseconds == int(milliseconds)
        else f"{milliseconds:.1f} ms"
    )
