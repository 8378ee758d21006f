"""`--where`: a JMESPath expression over the decoded fields of a dead letter (https://jmespath.org)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

import jmespath  # type: ignore[import-untyped]  # it has no types

from b2bpilot.errors import UsageError
from b2bpilot.ops.dead_letters import field_names
from b2bpilot.pipeline.dead_letter import DeadLetter, Failure, FailureKind, Shape
from b2bpilot.pipeline.message import PilotMessage, Source, format_time

HINT = (
    "such as \"failure.kind == 'timeout'\" or \"starts_with(params.From, 'whatsapp:')\"; "
    "fields: failure.*, message.*, params.*, letter.*"
)


@dataclass(slots=True)
class Tried:
    """On how many dead letters an expression was tried, and which of its parameters none of them had."""

    dead_letters: int
    unseen: set[str]


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression. A dead letter matches when the result is neither false, null nor empty."""

    text: str
    _parsed: Any = field(repr=False, compare=False)
    _tried: Tried = field(repr=False, compare=False)

    def __str__(self) -> str:
        return self.text

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises UsageError for what is no expression, calls what is no function, or names what is no field."""
        try:
            compiled = jmespath.compile(text)
        except jmespath.exceptions.JMESPathError as exc:
            raise _wrong(text, exc) from exc
        if mistake := field_names.mistaken(compiled.parsed):
            raise UsageError(f"--where: {text!r} cannot be used: {mistake}", hint=HINT)
        cls(text, compiled, Tried(0, set())).matches(SAMPLE)
        return cls(text, compiled, Tried(0, set(field_names.uncommon_params(compiled.parsed))))

    def matches(self, dead_letter: DeadLetter) -> bool:
        """A dead letter that lacks what a function needs, or has there what it cannot compute (`ceil` of a number without end),
        does not match. Raises UsageError."""
        self._tried.dead_letters += 1
        if dead_letter.message:
            self._tried.unseen.difference_update(dead_letter.message.params)
        try:
            result = self._parsed.search(fields(dead_letter))
        except jmespath.exceptions.JMESPathTypeError as exc:
            if exc.actual_type == "null":
                return False
            raise _wrong(self.text, exc) from exc
        except jmespath.exceptions.JMESPathError as exc:
            raise _wrong(self.text, exc) from exc
        except (ArithmeticError, ValueError):
            return False
        return result is not None and result is not False and result not in ("", [], {})

    def require_fields(self) -> None:
        """Raises UsageError when dead letters were tried and none had a parameter that is named: mistyped, most likely, and
        the result says nothing about it."""
        if self._tried.dead_letters and self._tried.unseen:
            missing = ", ".join(f"params.{name}" for name in sorted(self._tried.unseen))
            raise UsageError(f"--where: none of the dead letters has {missing}", hint=HINT)


def fields(dead_letter: DeadLetter) -> dict[str, Any]:
    """Return what an expression can name: `failure`, `message`, `params` and, of the queue, `letter`."""
    message = dead_letter.message
    return {
        "letter": {
            "id": dead_letter.queue_message_id,
            "shape": dead_letter.shape.value,
            "sent_at": format_time(dead_letter.sent_at) if dead_letter.sent_at else None,
            "receive_count": dead_letter.receive_count,
            "redrives": dead_letter.redrives,
            "unreadable": dead_letter.unreadable,
        },
        "failure": {
            "kind": dead_letter.failure.kind.value,
            "text": dead_letter.failure.text,
            "code": dead_letter.failure.code,
            "request_id": dead_letter.failure.request_id,
        },
        "message": _message(message) if message else None,
        "params": dict(message.params) if message else None,
    }


def _message(message: PilotMessage) -> Mapping[str, Any]:
    return {
        "message_id": message.message_id,
        "source": message.source.value,
        "message_type": message.message_type.value,
        "priority": message.priority.value,
        "test": message.test,
        "received_at": format_time(message.received_at),
        "params": dict(message.params),
    }


def _wrong(text: str, exc: ValueError) -> UsageError:
    reason = str(exc).partition("\n")[0].rstrip(":")
    return UsageError(f"--where: {text!r} cannot be used: {reason}", hint=HINT)


SAMPLE = DeadLetter(
    queue_message_id="",
    receipt_handle="",
    body="",
    sent_at=datetime(2026, 1, 1, tzinfo=UTC),
    receive_count=1,
    shape=Shape.LAMBDA,
    failure=Failure(kind=FailureKind.EXCEPTION, text="", code="200", request_id=""),
    event={},
    message=PilotMessage(
        message_id="", source=Source.TWILIO, received_at=datetime(2026, 1, 1, tzinfo=UTC), params={}
    ),
)
"""What every expression is tried on first: JMESPath looks functions up only when it calls them."""
