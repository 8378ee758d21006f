"""What the use cases need of AWS, the journal and the queue: the only protocols here, so that tests can stand in for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from b2bpilot.aws.functions import Invocation
    from b2bpilot.aws.logs import LogEvent, LogLine
    from b2bpilot.aws.mappings import MappingReading
    from b2bpilot.aws.queue import Outgoing, Receipt, Unsent
    from b2bpilot.aws.queue_attributes import Counters, QueueAttributes
    from b2bpilot.aws.topic import Published
    from b2bpilot.pipeline.dead_letter import DeadLetter
    from b2bpilot.pipeline.message import Encoded
    from b2bpilot.pipeline.models import SubmissionStatus, UserSubmission


class Invokable(Protocol):
    """A function: aws.functions.Function, or the handler in this process."""

    def invoke(self, event: Mapping[str, Any]) -> Invocation: ...
    def invoke_later(self, event: Mapping[str, Any]) -> None: ...


class Reserved(Protocol):
    """A function that is asked for its reserve."""

    @property
    def name(self) -> str: ...
    def reserved_concurrency(self) -> int | None: ...


class RedriverFunction(Protocol):
    """The function of the redrive inside AWS, which stands guard when it is called."""

    @property
    def name(self) -> str: ...
    def invoke(self, event: Mapping[str, Any]) -> Invocation: ...


class RedriverMapping(Protocol):
    """The redriver's switch: the part of aws.mappings.EventSourceMapping that a command uses."""

    @property
    def off_command(self) -> str: ...
    def read(self) -> MappingReading: ...
    def enable(self, *, max_concurrency: int) -> None: ...
    def disable(self) -> None: ...
    def tags(self) -> dict[str, str]: ...
    def write_tags(self, tags: dict[str, str]) -> None: ...


class Publisher(Protocol):
    """A topic; result N belongs to message N."""

    def publish_batch(self, messages: Sequence[Encoded]) -> list[Published]: ...


class Log(Protocol):
    """A function's log group."""

    @property
    def name(self) -> str: ...
    def events(
        self, *, since: datetime, until: datetime | None = None, pattern: str | None = None
    ) -> Iterator[LogEvent]: ...


class Throttleable(Protocol):
    """The result of sending one thing."""

    @property
    def is_throttled(self) -> bool: ...


class JournalWriter(Protocol):
    """Where a run writes before it acts; returns only when the entries are on disk, or not `durable` with the kernel."""

    @property
    def run_id(self) -> str: ...
    def write(self, *entries: Mapping[str, object], durable: bool = True) -> None: ...


class CountedQueue(Protocol):
    """A queue that is only asked how much is in it."""

    def counters(self) -> Counters: ...


class VisibilityQueue(CountedQueue, Protocol):
    """The part of aws.queue.DeadLetterQueue that hides dead letters and returns them. Refused entries are returned, not raised."""

    def receive(self, *, hidden_seconds: int, wait_seconds: int) -> list[DeadLetter]: ...
    def extend(self, dead_letters: Sequence[Receipt], seconds: int) -> list[Receipt]: ...
    def release(self, dead_letters: Sequence[Receipt]) -> list[Receipt]: ...


class DeletingQueue(VisibilityQueue, Protocol):
    """The part that a run uses: it deletes, too."""

    def delete(self, dead_letters: Sequence[Receipt]) -> list[Receipt]: ...


class ArchivedQueue(VisibilityQueue, Protocol):
    """The part that a scheduled export uses."""

    def attributes(self) -> QueueAttributes: ...


class DeadLetterSender(Protocol):
    """The part of DeadLetterQueue that puts messages in; it must not repeat a call by itself."""

    def send(self, messages: Sequence[Outgoing]) -> list[Unsent]: ...


class DeadLetterReceiver(Protocol):
    """What dead letters are received from, and hidden meanwhile. `others` is what the queue has beside what is held."""

    def receive(self, *, wait_seconds: int) -> list[DeadLetter]: ...
    def extend_due(self) -> None: ...
    def release(self, dead_letters: Sequence[DeadLetter]) -> None: ...
    def others(self) -> int: ...
    def beside(self) -> Counters: ...


class RequestLog(Protocol):
    """A function's log."""

    def lines_with(self, text: str, *, since: datetime, until: datetime, limit: int) -> list[LogLine]: ...


class DeadLetterHolder(Protocol):
    """The dead letters that a run holds; `delete` returns what SQS refused."""

    def delete(self, dead_letters: Sequence[DeadLetter]) -> list[DeadLetter]: ...


class DeliveryGuard(Protocol):
    """Whether what is published gets to the processor: `look` asks AWS, `require` raises Refused or what the look raised."""

    def look(self) -> None: ...
    def require(self, dead_letters: Sequence[DeadLetter]) -> None: ...


class DeadLetterFilter(Protocol):
    """Which dead letters a run is about; `is_met_by` tells whether no other can be meant than these, by their ids in the queue."""

    def matches(self, dead_letter: DeadLetter) -> bool: ...
    def is_met_by(self, queue_message_ids: Iterable[str]) -> bool: ...


class SubmissionLookup(Protocol):
    """One row by one of its ids."""

    def get_submission_by_message_id(self, message_id: str) -> UserSubmission | None: ...
    def get_submission_by_message_sid(self, message_sid: str) -> UserSubmission | None: ...


class SubmissionListing(Protocol):
    """Rows, newest first."""

    def list_submissions(
        self,
        *,
        status: SubmissionStatus | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        from_number: str | None = None,
        test: bool | None = None,
        limit: int = 20,
        before_id: int | None = None,
    ) -> list[UserSubmission]: ...


class StuckListing(Protocol):
    """Rows that are not done, although they should be."""

    def list_stuck(
        self, *, since: datetime | None = None, limit: int = 20, before_id: int | None = None
    ) -> list[UserSubmission]: ...


class InspectedRows(SubmissionLookup, SubmissionListing, Protocol):
    """The part of DatabaseManager that is asked."""
