"""What a function wrote about the message."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from b2bpilot.ops.inspect.source import EventOrder, MessageEvent, MessageQuestion, SourceAnswer
from b2bpilot.ops.logs.entry import LogEntry, entry
from b2bpilot.ops.ports import Log

SECONDS = 10.0
"""So long a log is read: AWS searches a long time in a busy group."""
MOST_LINES = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionLog:
    """One function's log, by the function's short name. Satisfies InspectSource."""

    function: str
    group: Log
    monotonic: Callable[[], float] = time.monotonic

    @property
    def name(self) -> str:
        return f"{self.function} log"

    def ask(self, question: MessageQuestion) -> SourceAnswer:
        """The lines are the evidence; the processor's become attempts, the others' moments of their own."""
        found: dict[str, LogEntry] = {}
        note = None
        for wanted in sorted(question.ids):
            for line in self._until_late(question, wanted):
                if isinstance(line, str):
                    note = line
                else:
                    found[line.event_id] = line
        return SourceAnswer(moments=tuple(_moments(found.values())), entries=tuple(found.values()), note=note)

    def _until_late(self, question: MessageQuestion, identifier: str) -> Iterator[LogEntry | str]:
        late = self.monotonic() + SECONDS
        events = self.group.events(since=question.since, until=question.until, pattern=f'"{identifier}"')
        for count, found in enumerate(events, 1):
            if identifier in found.text:
                yield entry(found, self.function)
            if count >= MOST_LINES or self.monotonic() > late:
                yield f"read up to {found.at:%Y-%m-%d %H:%M:%S} only"
                return


def _moments(entries: Iterable[LogEntry]) -> Iterator[MessageEvent]:
    for found in entries:
        tell = TELLERS.get((found.function, found.event or ""))
        if tell:
            sns = found.value("sns_message_id")
            yield MessageEvent(
                at=found.at,
                source=found.function,
                what=tell(found.document or {}),
                step=EventOrder.ACCEPTED if sns else EventOrder.SAID,
                sns_message_id=str(sns) if sns else None,
            )


def _published(line: Mapping[str, object]) -> str:
    return f"took the request ({line.get('message_type')}) and published it{_accepted(line)}"


def _accepted(line: Mapping[str, object]) -> str:
    return f": accepted by SNS as {line['sns_message_id']}" if line.get("sns_message_id") else ""


TELLERS: Mapping[tuple[str, str], Callable[[Mapping[str, object]], str]] = {
    ("webhook", "published"): _published,
    ("webhook", "rejected"): lambda line: f"refused a request that claims to be it: {line.get('reason')}",
    ("webhook", "publish_failed"): lambda line: f"could not publish it, answered 503: {line.get('error')}",
    ("webhook", "status_callback"): lambda line: (
        f"took Twilio's report that it was {line.get('state')}; stored nothing"
    ),
    ("stale", "republished"): lambda line: f"published it again, it was stale{_accepted(line)}",
    ("stale", "publish_failed"): lambda line: f"could not publish it again: {line.get('error')}",
    ("redriver", "redrive_failed"): lambda line: f"run {line.get('run_id')} tried it: {line.get('error')}",
}
