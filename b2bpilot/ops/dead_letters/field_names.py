"""Which fields a `--where` expression names: one that does not exist would be null, and the expression true or false for all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

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

Path = tuple[str, ...]


def mistaken(parsed: Mapping[str, Any]) -> str | None:
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


def uncommon_params(parsed: Mapping[str, Any]) -> frozenset[str]:
    """Return the parameters that an expression names and Twilio is not known to send."""
    paths = (path[1:] if path[0] == "message" else path for path in _paths(parsed))
    named = {path[1] for path in paths if path[:1] == (PARAMS,) and len(path) > 1}
    return frozenset(name for name in named if not TWILIOS.fullmatch(name))


def _paths(node: Mapping[str, Any]) -> Iterator[Path]:
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


def _path(node: Mapping[str, Any]) -> tuple[Path, list[Mapping[str, Any]]]:
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
