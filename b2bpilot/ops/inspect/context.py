"""Whom to ask about a message, and from where the question comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from b2bpilot.ops.inspect.source import InspectSource, MessageQuestion
from b2bpilot.ops.inspect.subscribers import SubscriberTrace
from b2bpilot.ops.ports import InspectedRows
from b2bpilot.ops.table.database_proof import DatabaseProof


class InspectedTable(Protocol):
    """Rows, and the word on whose they are."""

    @property
    def proof(self) -> DatabaseProof: ...
    @property
    def database(self) -> InspectedRows: ...


OpenTable = Callable[[], AbstractContextManager[InspectedTable]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """`subscriptions` is made for the line of the webhook that published, and asked only when nothing came of it."""

    processor: InspectSource | None = None
    express: InspectSource | None = None
    """The express processor's log, where there is an express lane."""
    queue: InspectSource
    """Asked at once: what it says depends on no time, and it takes the longest."""
    others: tuple[InspectSource, ...]
    twilio: InspectSource
    subscriptions: Callable[[Mapping[str, object]], InspectSource] | None = None
    retries: InspectSource | None = None
    """Lambda's settings, asked where a row failed and no dead letter of it was seen."""
    subscribers: Callable[[MessageQuestion], Sequence[SubscriberTrace]] | None = None
    """Asked beside the others; may raise AwsError."""

    @property
    def by_time(self) -> list[InspectSource]:
        """Those that are asked about a time."""
        return [*self.processors, *self.others]

    @property
    def processors(self) -> list[InspectSource]:
        """The logs of all that store messages."""
        return [one for one in (self.processor, self.express) if one is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectContext:
    """`environment` is the name for the commands that are proposed; `since` is where the operator wants to begin."""

    environment: str | None
    table: OpenTable
    sources: Sources
    since: datetime | None
    now: datetime
