"""`--where`: a JMESPath expression over the decoded fields of a dead letter, or of a row (https://jmespath.org)."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Searchable:
    """What an expression is about, in the plural, and the names in it. `sample` is one of them, on which every expression is
    tried first: JMESPath looks functions up only when it calls them."""

    what: str
    hint: str
    sample: Mapping[str, Any] = field(repr=False)

    def lacks(self, path: FieldPath) -> bool:
        inner = self.sample.get(path[0])
        return path[0] not in self.sample or (
            path[0] != PARAMS and len(path) > 1 and isinstance(inner, dict) and path[1] not in inner
        )


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
        "message": message_fields(message) if message else None,
        "params": dict(message.params) if message else None,
    }


def message_fields(message: PilotMessage) -> Mapping[str, Any]:
    return {
        "message_id": message.message_id,
        "source": message.source.value,
        "message_type": message.message_type.value,
        "priority": message.priority.value,
        "test": message.test,
        "received_at": format_time(message.received_at),
        "params": dict(message.params),
    }


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
DEAD_LETTERS = Searchable(
    what="dead letters",
    hint="such as \"failure.kind == 'timeout'\" or \"starts_with(params.From, 'whatsapp:')\"; "
    "fields: failure.*, message.*, params.*, letter.*",
    sample=fields(SAMPLE),
)


@dataclass(slots=True)
class Tried:
    """On how many an expression was tried, and which of its parameters none of them had."""

    count: int
    unseen: set[str]


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression. A dead letter, or a row, matches when the result is neither false, null nor empty."""

    text: str
    _about: Searchable = field(repr=False, compare=False)
    _parsed: Any = field(repr=False, compare=False)
    _tried: Tried = field(repr=False, compare=False)

    def __str__(self) -> str:
        return self.text

    @classmethod
    def parse(cls, text: str, about: Searchable = DEAD_LETTERS) -> Self:
        """Raises UsageError for what is no expression, calls what is no function, or names what is no field."""
        try:
            compiled = jmespath.compile(text)
        except jmespath.exceptions.JMESPathError as exc:
            raise _wrong(text, exc, about) from exc
        if mistake := _mistaken(compiled.parsed, about):
            raise UsageError(f"--where: {text!r} cannot be used: {mistake}", hint=about.hint)
        cls(text, about, compiled, Tried(0, set())).is_true_of(about.sample)
        return cls(text, about, compiled, Tried(0, set(_uncommon_params(compiled.parsed))))

    def matches(self, dead_letter: DeadLetter) -> bool:
        """Raises UsageError."""
        return self.is_true_of(fields(dead_letter))

    def is_true_of(self, named: Mapping[str, Any]) -> bool:
        """What lacks what a function needs, or has there what it cannot compute (`ceil` of a number without end), does not
        match. Raises UsageError."""
        self._tried.count += 1
        self._tried.unseen.difference_update(named[PARAMS] or ())
        try:
            result = self._parsed.search(named)
        except jmespath.exceptions.JMESPathTypeError as exc:
            if exc.actual_type == "null":
                return False
            raise _wrong(self.text, exc, self._about) from exc
        except jmespath.exceptions.JMESPathError as exc:
            raise _wrong(self.text, exc, self._about) from exc
        except (ArithmeticError, ValueError):
            return False
        return result is not None and result is not False and result not in ("", [], {})

    def require_fields(self) -> None:
        """Raises UsageError when some were tried and none had a parameter that is named: mistyped, most likely, and the
        result says nothing about it."""
        if self._tried.count and self._tried.unseen:
            missing = ", ".join(f"params.{name}" for name in sorted(self._tried.unseen))
            raise UsageError(f"--where: none of the {self._about.what} has {missing}", hint=self._about.hint)


def _wrong(text: str, exc: ValueError, about: Searchable) -> UsageError:
    reason = str(exc).partition("\n")[0].rstrip(":")
    return UsageError(f"--where: {text!r} cannot be used: {reason}", hint=about.hint)


def _mistaken(parsed: Mapping[str, Any], about: Searchable) -> str | None:
    """Return what is wrong with the names in a parsed expression, or None."""
    for node in _nodes(parsed):
        if node["type"] == "subexpression" and node["children"][0]["type"] == "not_expression":
            return "!a.b means (!a).b, which is never true: write !(a.b)"
    for path in _paths(parsed):
        if about.lacks(path):
            return f"there is no field {'.'.join(path[: 2 if path[0] in about.sample else 1])}"
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
