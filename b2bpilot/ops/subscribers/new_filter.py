"""The filter policy of a new subscriber: judged before anything is written, and written so that CloudFormation reads the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from b2bpilot.errors import UsageError
from b2bpilot.ops.subscribers.filter_limits import problems_of
from b2bpilot.ops.subscribers.filter_policy import is_or, json_text, parsed

ATTRIBUTES_SCOPE = "MessageAttributes"
DEFAULT = '{"test": ["false"]}'
"""Test messages are the operator's, not the team's."""
RESOLVED = "{{resolve:"
SURROGATE = re.compile("[\ud800-\udfff]")
LAST_OF_16_BITS = 0xFFFF
LONGEST_TOLD = 200
"""What is refused may be long, and quotes what was given."""


def read_filter(text: str) -> Mapping[str, Any]:
    """Return the policy. Raises UsageError for one that SNS or CloudFormation would not take, or that lets nothing through."""
    if not text.strip():
        raise UsageError("--filter is empty", hint=f"leave it out, or for example --filter '{DEFAULT}'")
    policy = parsed(text)
    found = problems_of(text, ATTRIBUTES_SCOPE) or [*_of_cloudformation(policy), *_no_text(policy or {})]
    if found or policy is None:
        told = "; ".join(found)
        told = told if len(told) <= LONGEST_TOLD else f"{told[:LONGEST_TOLD]} ..."
        raise UsageError(f"--filter: {told}", hint=f"for example --filter '{DEFAULT}'")
    return policy


def _of_cloudformation(value: object) -> Iterator[str]:
    """What a template takes for its own, wherever it stands."""
    match value:
        case dict():
            yield from (
                f"CloudFormation takes the key {name} for a function of its own"
                for name in value
                if name == "Ref" or name.startswith("Fn::")
            )
            for each in (*value, *value.values()):
                yield from _of_cloudformation(each)
        case list():
            for each in value:
                yield from _of_cloudformation(each)
        case str() if RESOLVED in value:
            yield f"CloudFormation would replace {RESOLVED}...}}}}"
        case str() if SURROGATE.search(value):
            yield "half of a pair of surrogates is no text"


def _no_text(policy: Mapping[str, Any]) -> Iterator[str]:
    """Our attributes are of the type String: that one of SNS's keywords matches its spelling is nowhere said."""
    for name, rule in policy.items():
        if is_or(name, rule):
            for part in rule:
                yield from _no_text(part)
        elif words := [one for one in rule if isinstance(one, bool)]:
            word = json_text(words[0])
            if not any(isinstance(one, str | dict) for one in rule):
                yield f'{name}: attributes are text, and whether SNS takes {word} for it is unknown: write "{word}"'


def as_yaml(value: object) -> str:
    """Return JSON that YAML reads as the same: numbers without an exponent, text in ASCII."""
    match value:
        case dict():
            return "{" + ", ".join(f"{as_yaml(name)}: {as_yaml(each)}" for name, each in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(as_yaml, value)) + "]"
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case Decimal():
            return f"{value:f}"
        case _:
            return '"' + "".join(map(_escaped, str(value))) + '"'


def _escaped(character: str) -> str:
    """As in a double-quoted scalar of YAML, which has JSON's escapes and one for what is beyond 16 bits."""
    if character in '"\\':
        return "\\" + character
    if " " <= character <= "~":
        return character
    code = ord(character)
    return f"\\U{code:08x}" if code > LAST_OF_16_BITS else f"\\u{code:04x}"
