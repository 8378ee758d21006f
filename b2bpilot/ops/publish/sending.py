"""Publishing many messages: journal, send, check entry by entry, at a pace; every item is accounted for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice

from b2bpilot.errors import PilotError
from b2bpilot.ops.ports import JournalWriter
from b2bpilot.ops.publish.order import Item
from b2bpilot.ops.publish.routes import PublishResult, PublishRoute
from b2bpilot.ops.sending.batches import send_batch
from b2bpilot.ops.sending.pace import Pace, PaceEnded
from b2bpilot.ops.sending.result import SendOutcome
from b2bpilot.pipeline.message import Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class SentItem:
    """What became of one item, without its message."""

    key: str
    message_id: str
    copy: int
    outcome: SendOutcome
    sns_message_id: str | None = None
    error: PilotError | None = None
    priority: Priority = Priority.NORMAL
    is_fatal: bool = False
    """For a reason that every other message would meet as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """What a run sent. `total` are the items of the run; what is in no result was never sent."""

    total: int
    results: Sequence[SentItem] = field(repr=False)
    earlier: int = 0
    """Items that an earlier attempt of the run is known to have sent."""
    perhaps_before: frozenset[str] = frozenset()
    """The keys of items that an earlier attempt perhaps sent: nothing that this one meets makes sure that it did not."""
    seconds: float = 0.0
    only_counted: int = 0
    """Items that were accepted, of a run that keeps no result of them."""

    def count(self, *outcomes: SendOutcome) -> int:
        return sum(result.outcome in outcomes for result in self.results)

    @property
    def accepted(self) -> int:
        return self.count(SendOutcome.ACCEPTED) + self.only_counted

    @property
    def not_accepted(self) -> Sequence[SentItem]:
        return [result for result in self.results if result.outcome is not SendOutcome.ACCEPTED]

    @property
    def unknown(self) -> int:
        not_again = self.perhaps_before - {result.key for result in self.results}
        return self.count(SendOutcome.UNKNOWN) + len(not_again)

    @property
    def never_sent(self) -> int:
        sent = len(self.results) + self.only_counted - self.count(SendOutcome.UNKNOWN) + self.unknown
        return self.total - self.earlier - sent

    @property
    def is_complete(self) -> bool:
        return self.accepted + self.earlier == self.total

    @property
    def fatal(self) -> PilotError | None:
        return next((result.error for result in self.results if result.is_fatal), None)

    def counts(self) -> dict[str, int]:
        """What the journal says at the end."""
        return {
            "accepted": self.accepted + self.earlier,
            "failed": self.count(SendOutcome.NOT_SENT, SendOutcome.THROTTLED),
            "unknown": self.unknown,
            "never_sent": self.never_sent,
        }


Observe = Callable[[Sequence[SentItem]], None]


class Publishing:
    """One run's workers: each takes the next batch, until nothing is left or nothing more may be sent."""

    def __init__(
        self,
        *,
        route: PublishRoute,
        journal: JournalWriter,
        pace: Pace,
        perhaps_before: frozenset[str] = frozenset(),
        observe: Observe = lambda _: None,
        keeps_accepted: bool = True,
    ) -> None:
        """Without `keeps_accepted` the memory of a run does not grow with what is accepted."""
        self._route, self._journal, self._pace, self._observe = route, journal, pace, observe
        self._perhaps_before = perhaps_before
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._results: list[SentItem] = []
        self._keeps_accepted = keeps_accepted
        self._only_counted = 0

    def run(self, items: Iterable[Item], *, total: int, earlier: int = 0) -> Dispatch:
        """Send all items. Interrupted, the calls that are under way end first and are journalled."""
        started = time.monotonic()
        limits = self._pace.limits
        waiting = batches(items, most=self._route.most_items, rate=limits.rate)
        with ThreadPoolExecutor(limits.concurrency) as pool:
            try:
                workers = [pool.submit(self._work, waiting) for _ in range(limits.concurrency)]
                for worker in workers:
                    worker.result()
            except BaseException:
                self._end()
                raise
        return Dispatch(
            total=total,
            results=self._results,
            earlier=earlier,
            perhaps_before=self._perhaps_before,
            seconds=time.monotonic() - started,
            only_counted=self._only_counted,
        )

    def _end(self) -> None:
        self._ended.set()
        self._pace.end()

    def _work(self, waiting: Iterator[list[Item]]) -> None:
        try:
            while batch := self._next(waiting):
                with self._pace.slot(len(batch)):
                    self._handle(batch)
        except PaceEnded:
            return
        except BaseException:
            self._end()
            raise

    def _next(self, waiting: Iterator[list[Item]]) -> list[Item] | None:
        with self._lock:
            return None if self._ended.is_set() else next(waiting, None)

    def _handle(self, batch: Sequence[Item]) -> None:
        """What is `sending` when the journal ends is unknown; losing that to a power cut costs a duplicate, no message."""
        self._journal.write(*(_entry("sending", item) for item in batch), durable=False)
        answers = zip(batch, send_batch(batch, self._route.send, pace=self._pace), strict=True)
        results = [
            replace(
                _result(item, sent, perhaps_before=self._perhaps_before),
                priority=self._route.priority_of(item.message),
            )
            for item, sent in answers
        ]
        self._journal.write(*map(_outcome, results), durable=False)
        self._keep(results)
        if any(result.is_fatal for result in results):
            self._end()
        self._observe(results)

    def _keep(self, results: Sequence[SentItem]) -> None:
        is_kept = [self._keeps_accepted or one.outcome is not SendOutcome.ACCEPTED for one in results]
        with self._lock:
            self._results += [one for one, kept in zip(results, is_kept, strict=True) if kept]
            self._only_counted += is_kept.count(False)


def batches(items: Iterable[Item], *, most: int, rate: float | None) -> Iterator[list[Item]]:
    """Split items, in order, into what goes in one call: never more than a second's share. Their bytes are the topic's matter."""
    left = iter(items)
    size = most if rate is None else min(most, max(1, int(rate)))
    while batch := list(islice(left, size)):
        yield batch


def event_of(outcome: SendOutcome) -> str:
    """Return the journal's word for it: what was throttled to the end, or refused, failed."""
    return outcome.value if outcome in (SendOutcome.ACCEPTED, SendOutcome.UNKNOWN) else "failed"


def _entry(event: str, item: Item, **fields: object) -> Mapping[str, object]:
    return {"event": event, "queue_message_id": item.key, "message_id": item.message.message_id, **fields}


def _result(item: Item, sent: PublishResult, *, perhaps_before: frozenset[str]) -> SentItem:
    is_unknown = item.key in perhaps_before and not sent.is_confirmed
    return SentItem(
        key=item.key,
        message_id=item.message.message_id,
        copy=item.copy,
        outcome=SendOutcome.UNKNOWN if is_unknown else sent.outcome,
        is_fatal=sent.fatal is not None,
        sns_message_id=sent.sns_message_id,
        error=sent.cause,
    )


def _outcome(result: SentItem) -> Mapping[str, object]:
    return {
        "event": event_of(result.outcome),
        "queue_message_id": result.key,
        "message_id": result.message_id,
        "sns_message_id": result.sns_message_id,
        "error": str(result.error) if result.error else None,
    }
