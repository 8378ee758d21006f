"""`--where`: a JMESPath expression over the decoded fields of a dead letter (https://jmespath.org)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

import jmespath  # type: ignore[import-untyped]  # it has no types

from b2bpilot.errors import UsageError
from b2bpilot.pipeline.dead_letter import DeadLetter, Failure, FailureKind, Shape
from b2bpilot.pipeline.message import PilotMessage, Source, format_time

HINT = (
    "such as \"failure.kind == 'timeout'\" or \"starts_with(params.From, 'whatsapp:')\"; "
    "fields: failure.*, message.*, params.*, letter.*"
)

FIELDS = {
    "letter": frozenset({"id", "shape", "sent_at", "receive_count", "redrives", "unreadable"}),
    "failure": frozenset({"kind", "text", "code", "request_id"}),
    "message": frozenset(
        {"message_id", "source", "message_type", "priority", "test", "received_at", "params"}
    ),
}
PARAMS = "params"

TWILIOS = re.compile(
    r"MessageSid|SmsSid|SmsMessageSid|AccountSid|MessagingServiceSid|ApiVersion|SmsStatus|MessageType|From|To|Body"
    r"|(From|To)(City|State|Zip|Country)|NumMedia|NumSegments|(MediaUrl|MediaContentType)\d+"
    r"|ProfileName|WaId|Forwarded|FrequentlyForwarded|Referral\w+|OriginalRepliedMessage(Sid|Sender)|OptOutType"
    r"|Button(Text|Payload|Type)|List(Id|Title|Description)|InteractiveData|FlowData|ChannelMetadata"
    r"|Latitude|Longitude|Address|Label"
)
"""What Twilio sends (docs/aws-facts.md#webhook-parameters), most of it with some messages only: naming it is no mistake
when no dead letter has it."""

FieldPath = tuple[str, ...]


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
        if mistake := _mistaken(compiled.parsed):
            raise UsageError(f"--where: {text!r} cannot be used: {mistake}", hint=HINT)
        cls(text, compiled, Tried(0, set())).matches(SAMPLE)
        return cls(text, compiled, Tried(0, set(_uncommon_params(compiled.parsed))))

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


def _mistaken(parsed: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the names in a parsed expression, or None."""
    for node in _nodes(parsed):
        if node["type"] == "subexpression" and node["children"][0]["type"] == "not_expression":
            return "!a.b means (!a).b, which is never true: write !(a.b)"
    for path in _paths(parsed):
        if path[0] != PARAMS and path[0] not in FIELDS:
            return f"there is no field {path[0]}"
        if len(path) > 1 and path[0] != PARAMS and path[1] not in FIELDS[path[0]]:
            return f"there is no field {path[0]}.{path[1]}"
    return None


def _uncommon_params(parsed: Mapping[str, Any]) -> frozenset[str]:
    """Return the parameters that an expression names and Twilio is not known to send."""
    paths = (path[1:] if path[0] == "message" else path for path in _paths(parsed))
    named = {path[1] for path in paths if path[:1] == (PARAMS,) and len(path) > 1}
    return frozenset(name for name in named if not TWILIOS.fullmatch(name))


def _paths(node: Mapping[str, Any]) -> Iterator[FieldPath]:
    """Yield the paths that begin at the dead letter. What follows a projection, a pipe or a function begins elsewhere."""
    match node["type"]:
        case "field" | "subexpression" | "index_expression":
            path, rest = _path(node)
            if path:
                yield path
            for other in rest:
                yield from _paths(other)
        case "literal" | "expref":
            return
        case "pipe" | "projection" | "value_projection" | "filter_projection" | "flatten":
            yield from _paths(node["children"][0])
        case _:
            for child in node["children"]:
                yield from _paths(child)


def _path(node: Mapping[str, Any]) -> tuple[FieldPath, list[Mapping[str, Any]]]:
    """Return the names in a row, and what stands at their beginning instead of a name."""
    if node["type"] == "field":
        return (node["value"],), []
    if node["type"] not in ("subexpression", "index_expression"):
        return (), [node]
    first, *others = node["children"]
    path, rest = _path(first)
    for other in others:
        following, _ = _path(other)
        if not path or not following:
            break
        path += following
        if other["type"] != "field":
            break
    return path, rest


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for child in node["children"]:
        yield from _nodes(child)


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
