"""What the pipeline needs of each column: the types that it reads rightly, and what it writes there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from b2bpilot.pipeline.claim import ERROR_LENGTH
from b2bpilot.pipeline.message import MessageType, Priority, Source
from b2bpilot.pipeline.models import ReplyState, SubmissionStatus

TEXT = frozenset({"text", "varchar"})
"""Not char(n), which pads what it holds; not name, which cuts it; no enum, which refuses what it does not know."""
COUNT = frozenset({"int2", "int4", "int8"})
MOMENT = frozenset({"timestamptz"})
"""A timestamp without a time zone does not say which moment it is."""
SID, UUID = 34, 36
SENDER = len("whatsapp:US.") + 128
"""The longest that a channel names: WhatsApp's user id that hides a number, of 128 characters at most (Meta's reference)."""
BODY = 4_096
"""WhatsApp's longest text; an SMS has 1,600 characters."""
RUN_ID = 64
SUBSCRIBER = 31


class DeliveryStatus(StrEnum):
    """What a subscriber's handler writes of a delivery."""

    PROCESSING = "processing"
    FAILED = "failed"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedColumn:
    """`types` are PostgreSQL's internal names, and `make` what a migration makes. `at_least` counts characters.

    `is_inserted`: the claim's INSERT gives a value. `may_be_null`: what the pipeline writes may be NULL.
    """

    types: frozenset[str]
    make: str
    at_least: int | None = None
    is_inserted: bool = False
    is_updated: bool = True
    may_be_null: bool = False
    needs_default: bool = False


def _longest(values: type[StrEnum]) -> int:
    return max(map(len, values))


def _text(at_least: int, *, is_inserted: bool = False, may_be_null: bool = True) -> ExpectedColumn:
    return ExpectedColumn(
        types=TEXT, make="text", at_least=at_least, is_inserted=is_inserted, may_be_null=may_be_null
    )


def _moment(*, is_inserted: bool = False) -> ExpectedColumn:
    return ExpectedColumn(types=MOMENT, make="timestamptz", is_inserted=is_inserted, may_be_null=True)


def _count(*, is_inserted: bool = False, needs_default: bool = False) -> ExpectedColumn:
    return ExpectedColumn(types=COUNT, make="bigint", is_inserted=is_inserted, needs_default=needs_default)


WANTED: Mapping[str, ExpectedColumn] = {
    "id": ExpectedColumn(types=COUNT, make="bigint", is_updated=False, needs_default=True),
    "message_id": _text(UUID, is_inserted=True, may_be_null=False),
    "message_sid": _text(SID, is_inserted=True),
    "from_number": _text(SENDER),
    "to_number": _text(SENDER),
    "body": _text(BODY),
    "num_media": _count(),
    "status": _text(_longest(SubmissionStatus), is_inserted=True, may_be_null=False),
    "created_at": ExpectedColumn(types=MOMENT, make="timestamptz", is_updated=False, needs_default=True),
    "updated_at": ExpectedColumn(types=MOMENT, make="timestamptz", needs_default=True),
    "source": _text(_longest(Source), is_inserted=True, may_be_null=False),
    "message_type": _text(_longest(MessageType), is_inserted=True, may_be_null=False),
    "priority": _text(_longest(Priority), is_inserted=True, may_be_null=False),
    "test": ExpectedColumn(types=frozenset({"bool"}), make="boolean", is_inserted=True),
    "params": ExpectedColumn(types=frozenset({"json"}), make="json", is_inserted=True),
    "received_at": _moment(is_inserted=True),
    "attempts": _count(is_inserted=True),
    "lease_expires_at": _moment(is_inserted=True),
    "last_error": _text(ERROR_LENGTH),
    "completed_at": _moment(),
    "reply_state": _text(_longest(ReplyState)),
    "reply_sid": _text(SID),
    "reply_error": _text(ERROR_LENGTH),
    "stale_attempts": _count(needs_default=True),
    "next_stale_at": _moment(),
    "discarded_by": _text(RUN_ID),
    "republished_at": _moment(),
}

TEXTS: Mapping[str, Iterable[str]] = {
    "status": SubmissionStatus,
    "reply_state": ReplyState,
    "source": Source,
    "message_type": MessageType,
    "priority": Priority,
}
"""All values that a column of text can get, where they are known."""
COUNTS: Mapping[str, Iterable[str]] = {
    "num_media": tuple(map(str, range(11))),
    "attempts": ("1", "2", "100"),
    "stale_attempts": ("0", "1", "100"),
}

WANTED_OF_DELIVERIES: Mapping[str, ExpectedColumn] = {
    "subscriber": ExpectedColumn(
        types=TEXT, make="text", at_least=SUBSCRIBER, is_inserted=True, is_updated=False
    ),
    "message_id": ExpectedColumn(types=frozenset({"uuid"}), make="uuid", is_inserted=True, is_updated=False),
    "test": ExpectedColumn(types=frozenset({"bool"}), make="boolean", is_inserted=True, is_updated=False),
    "status": _text(_longest(DeliveryStatus), is_inserted=True, may_be_null=False),
    "attempts": _count(is_inserted=True),
    "lease_expires_at": _moment(is_inserted=True),
    "last_error": _text(ERROR_LENGTH),
    "created_at": ExpectedColumn(types=MOMENT, make="timestamptz", is_updated=False, needs_default=True),
    "updated_at": ExpectedColumn(types=MOMENT, make="timestamptz", needs_default=True),
    "completed_at": _moment(),
}
"""What a subscriber's handler needs (subscriber/once.py, which imports nothing and is imported by nobody)."""
TEXTS_OF_DELIVERIES: Mapping[str, Iterable[str]] = {"status": DeliveryStatus}
COUNTS_OF_DELIVERIES: Mapping[str, Iterable[str]] = {"attempts": COUNTS["attempts"]}
