"""Every kind of message that the topic may be given, as a filter policy tells them apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import product

from b2bpilot.ops.subscribers.conditions import Varying
from b2bpilot.ops.subscribers.filter_policy import BODY_SCOPE, Leaves
from b2bpilot.pipeline.dead_letter import TOPIC_MARKS
from b2bpilot.pipeline.message import SCHEMA, MessageType, Priority, Source

VARYING = frozenset({"message_id"}) | TOPIC_MARKS
"""Attributes that are another in each message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageKind:
    """Messages between which no policy can tell, but by what differs in each of them.

    `is_redriven`: `dlq redrive --via topic` published it. No `source`: it has no attributes but a redrive's, so nothing of
    b2bpilot published it first.
    """

    source: Source | None = None
    message_type: MessageType | None = None
    priority: Priority | None = None
    is_redriven: bool = False

    @property
    def is_test(self) -> bool:
        return self.message_type is MessageType.TEST

    def __str__(self) -> str:
        if self.source is None:
            return (
                "redriven message that had no attributes"
                if self.is_redriven
                else "message without attributes"
            )
        redriven = "redriven " if self.is_redriven else ""
        priority = " with priority high" if self.priority is Priority.HIGH else ""
        return f"{redriven}{self.message_type} message from {self.source}{priority}"

    def leaves(self, scope: str) -> Leaves:
        """Return what SNS compares."""
        return self._body() if scope == BODY_SCOPE else dict(self._attributes())

    def _attributes(self) -> Iterator[tuple[str, list[str] | Varying]]:
        """As pipeline.message.encode has them, and pipeline.dead_letter.encoded_for_topic."""
        if self.source and self.message_type and self.priority:
            yield "message_id", Varying.TEXT
            yield "source", [self.source.value]
            yield "message_type", [self.message_type.value]
            yield "priority", [self.priority.value]
            yield "test", ["true" if self.is_test else "false"]
        if self.is_redriven:
            yield from ((name, Varying.TEXT) for name in sorted(TOPIC_MARKS))

    def _body(self) -> Leaves:
        return {
            "schema": [Decimal(SCHEMA)],
            "message_id": Varying.TEXT,
            "source": [self.source.value] if self.source else Varying.TEXT,
            "test": [self.is_test],
            "received_at": Varying.TEXT,
            "params": Varying.ANYTHING,
        }


@cache
def kinds() -> tuple[MessageKind, ...]:
    """Return all of them, the usual ones first."""
    published = [
        MessageKind(source=source, message_type=kind, priority=priority, is_redriven=is_redriven)
        for is_redriven, priority, source, kind in product((False, True), Priority, Source, MessageType)
    ]
    return (*published, MessageKind(), MessageKind(is_redriven=True))


def most_attributes() -> int:
    """Return how many attributes a message has at most, those of a redrive among them."""
    return max(len(kind.leaves("MessageAttributes")) for kind in kinds())
