"""The runs with the message, of the processor and of the express one, told from their logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from b2bpilot.ops.inspect.source import EventOrder, MessageEvent
from b2bpilot.ops.logs.entry import LogEntry, LogLevel

BEGAN, ENDED = "platform.start", "platform.report"
PROCESSOR, EXPRESS = PROCESSORS = ("processor", "express")
CLAIMED = frozenset({"stored", "failed"})
NOT_CLAIMED = frozenset({"duplicate", "in_progress", "discarded"})


@dataclass(slots=True, kw_only=True)
class ProcessorRun:
    """One run. Lambda's own retries keep the request id. `status` and `milliseconds` are Lambda's, None when it said none."""

    request_id: str | None
    began_at: datetime
    function: str = PROCESSOR
    """Whose run it was, by its short name."""
    status: str | None = None
    milliseconds: float | None = None
    lines: list[LogEntry] = field(default_factory=list)
    """Lambda's own ones left out."""

    @property
    def events(self) -> frozenset[str]:
        return frozenset(line.event for line in self.lines if line.event)

    @property
    def has_claimed(self) -> bool:
        """Whether the row counted it."""
        return bool(self.events & CLAIMED) or not self.events & NOT_CLAIMED

    def ids(self, name: str) -> frozenset[str]:
        return frozenset(str(line.value(name)) for line in self.lines if line.value(name))


def attempts(entries: Sequence[LogEntry], message_id: str) -> list[ProcessorRun]:
    """Return the runs in their order. A request may be about other messages, too: their lines are left out."""
    requests: dict[str | None, list[LogEntry]] = {}
    for found in entries:
        requests.setdefault(found.request_id, []).append(found)
    every = [run for request_id, lines in requests.items() for run in _runs(request_id, lines, message_id)]
    return sorted(every, key=lambda run: run.began_at)


def _runs(request_id: str | None, lines: Sequence[LogEntry], message_id: str) -> Iterator[ProcessorRun]:
    current: ProcessorRun | None = None
    for line in sorted(lines, key=lambda line: line.at):
        if current is None or line.event == BEGAN:
            if current:
                yield current
            current = ProcessorRun(request_id=request_id, began_at=line.at, function=line.function)
        if line.event == ENDED:
            current.status = str(line.value("record.status") or "") or None
            milliseconds = line.value("record.metrics.durationMs")
            current.milliseconds = milliseconds if isinstance(milliseconds, int | float) else None
        elif line.platform is None and line.message_id in (None, message_id):
            current.lines.append(line)
    if current:
        yield current


def moments(runs: Sequence[ProcessorRun]) -> Iterator[MessageEvent]:
    for number, run in enumerate(runs, 1):
        yield MessageEvent(
            at=run.began_at, source=run.function, what=_run(number, run), step=EventOrder.BEGAN
        )
        for line in run.lines:
            if what := _line(line, run):
                yield MessageEvent(at=line.at, source=run.function, what=what)


def _run(number: int, run: ProcessorRun) -> str:
    ended = run.status or "its end is not in the log"
    after = f" after {run.milliseconds:.0f} ms" if run.milliseconds is not None else ""
    by = "".join(f", redrive {run_id}" for run_id in sorted(run.ids("redrive_run_id")))
    return f"run {number}: {ended}{after} (request {run.request_id}{by})"


def _line(line: LogEntry, run: ProcessorRun) -> str | None:
    """A line without an event is said when it is bad, and not what `failed` says already."""
    document = line.document or {}
    if line.event is None:
        is_said = "failed" in run.events or line.level < LogLevel.WARNING
        return None if is_said else f"{line.level.name.lower()}: {line.message}"
    tell = TELLERS.get(line.event)
    return tell(document) if tell else f"{line.event.replace('_', ' ')}{_because(document)}"


def _because(line: Mapping[str, Any]) -> str:
    reason = line.get("reason") or line.get("error")
    return f": {reason}" if reason else ""


TELLERS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "stored": lambda line: f"stored it, {line.get('latency_ms')} ms after it was received",
    "duplicate": lambda _: "skipped it as a duplicate: it was completed before",
    "in_progress": lambda line: (
        f"left it alone: a lease on it held until {line['leased_until']}"
        if line.get("leased_until")
        else "left it alone: another run had it"
    ),
    "discarded": lambda line: f"did not store it: it was discarded in {line.get('discarded_by')}",
    "reply_sent": lambda line: f"sent the reply {line.get('reply_sid')}",
}
