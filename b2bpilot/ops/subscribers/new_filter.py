"""The filter policy of a new subscriber: judged before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from b2bpilot.errors import UsageError
from b2bpilot.ops.subscribers.coverage import coverage
from b2bpilot.ops.subscribers.filter_policy import NO_OBJECT, parsed

ATTRIBUTES_SCOPE = "MessageAttributes"
DEFAULT = '{"test": ["false"]}'
"""Test messages are the operator's, not the team's."""


def read_filter(text: str) -> Mapping[str, Any]:
    """Return the policy. Raises UsageError for one that SNS would not take, or that lets nothing through."""
    policy = parsed(text)
    if policy is None:
        raise UsageError(f"--filter: {NO_OBJECT}", hint=f"for example --filter '{DEFAULT}'")
    tried = coverage(text, ATTRIBUTES_SCOPE)
    if len(tried.lost) + len(tried.bare) == tried.tried:
        raise UsageError(
            f"--filter accepts no message: {tried.lost[0].why()}",
            hint="b2bpilot's messages have the attributes message_id, source, message_type, priority and test",
        )
    return policy


def as_yaml(value: object) -> str:
    """Return JSON that YAML reads as the same: numbers without an exponent, and text in ASCII and beyond it as it is."""
    match value:
        case dict():
            return "{" + ", ".join(f"{as_yaml(name)}: {as_yaml(each)}" for name, each in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(as_yaml, value)) + "]"
        case bool() | None:
            return {True: "true", False: "false", None: "null"}[value]
        case Decimal():
            return f"{value:f}"
        case _:
            return '"' + "".join(map(_escaped, str(value))) + '"'


def _escaped(character: str) -> str:
    """As a double-quoted scalar of YAML, which has JSON's escapes and one for what is beyond 16 bits."""
    if character in '"\\':
        return "\\" + character
    if " " <= character <= "~":
        return character
    return f"\\U{ord(character):08x}" if ord(character) > 0xFFFF else f"\\u{ord(character):04x}"  # noqa: PLR2004
