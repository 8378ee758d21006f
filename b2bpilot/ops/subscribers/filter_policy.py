"""A subscription's filter policy: does it let a message through, and which key rejects it?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from b2bpilot.ops.subscribers.conditions import (
    Value,
    Values,
    Varying,
    both,
    either,
    matches,
    number_in,
    wanted_to_exist,
)
from b2bpilot.pipeline.message import Encoded

BODY_SCOPE = "MessageBody"
OPERATORS = frozenset(
    {"anything-but", "cidr", "equals-ignore-case", "exists", "numeric", "prefix", "suffix", "wildcard"}
)
LONGEST_WHOLE = 10**15
"""From here on a number is shown with an exponent."""

Leaves = Mapping[str, Sequence[Value] | Varying]
"""What a message has to compare, by key."""

NO_OBJECT = "the filter policy is not a JSON object"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyVerdict:
    """What one key of a policy says. `accepts` is None where it uses what this version does not know.

    `found` are the message's values as text, None when it lacks the key; `wanted` is the policy's side.
    """

    key: str
    accepts: bool | None
    found: str | None
    wanted: str

    def in_words(self, mask: Callable[[str], str] = lambda text: text) -> str:
        """Say it; `mask` hides what the message's values may not show."""
        return f"{self.key} is {mask(self.found) if self.found else 'absent'}, wanted {self.wanted}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Whether SNS would deliver. None means that it cannot be told from here; `keys` hold what stands in the way."""

    accepts: bool | None
    keys: tuple[KeyVerdict, ...] = ()
    problem: str | None = None
    """Why nothing could be compared: no JSON in the policy, or in the body that it filters on."""


def evaluate(
    policy: str | None, scope: str, message: Encoded, *, varying: frozenset[str] = frozenset()
) -> Evaluation:
    """Tell whether a subscription with this policy (JSON; None lets all through) gets the message as it is published, whatever
    text its `varying` keys have."""
    if policy is None:
        return Evaluation(accepts=True)
    wanted = parsed(policy)
    if wanted is None:
        return Evaluation(accepts=None, problem=NO_OBJECT)
    if scope != BODY_SCOPE:
        return evaluated(wanted, scope, _without(varying, _attributes(message)))
    body = parsed(message.body)
    if body is None:
        return Evaluation(accepts=False, problem="the policy filters on the body, which is not a JSON object")
    return evaluated(wanted, scope, _without(varying, _leaves(body)))


def _without(varying: frozenset[str], leaves: Leaves) -> Leaves:
    return {name: Varying.TEXT if name in varying else values for name, values in leaves.items()}


def parsed(text: str) -> dict[str, Any] | None:
    """Return a policy, or a body, with its numbers as Decimal; None when it is no JSON object."""
    try:
        document = _parsed(text)
    except (ValueError, ArithmeticError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def evaluated(policy: Mapping[str, Any], scope: str, leaves: Leaves) -> Evaluation:
    """Every key must accept; one that rejects decides, whatever is unknown of others."""
    keys = list(_keys(policy, leaves, prefix="", is_nested=scope == BODY_SCOPE))
    accepts = both([key.accepts for key in keys])
    return Evaluation(accepts=accepts, keys=tuple(key for key in keys if key.accepts is not True))


def keys_of(policy: Mapping[str, Any], *, prefix: str = "") -> Iterator[str]:
    """Yield the keys that a policy looks at, those of nested objects by their path."""
    for name, wanted in policy.items():
        if is_or(name, wanted):
            for part in wanted:
                yield from keys_of(part, prefix=prefix)
        elif isinstance(wanted, dict):
            yield from keys_of(wanted, prefix=f"{prefix}{name}.")
        else:
            yield prefix + name


def _keys(policy: Mapping[str, Any], leaves: Leaves, *, prefix: str, is_nested: bool) -> Iterator[KeyVerdict]:
    """SNS takes nested objects for the body only: of one beside attributes nothing can be told."""
    for name, wanted in policy.items():
        key = prefix + name
        if is_or(name, wanted):
            parts = [list(_keys(part, leaves, prefix=prefix, is_nested=is_nested)) for part in wanted]
            yield _or(key, parts)
        elif isinstance(wanted, dict) and is_nested:
            yield from _keys(wanted, leaves, prefix=f"{key}.", is_nested=True)
        else:
            yield _key(key, wanted, leaves)


def is_or(name: str, rule: object) -> bool:
    """SNS reads `$or` as an operator only before two objects or more, none of which has an operator for a key."""
    return (
        name == "$or"
        and isinstance(rule, list)
        and len(rule) > 1
        and all(isinstance(part, dict) and not OPERATORS & part.keys() for part in rule)
    )


def _or(key: str, parts: Sequence[Sequence[KeyVerdict]]) -> KeyVerdict:
    failed = [[found for found in part if found.accepts is not True] for part in parts]
    return KeyVerdict(
        key=key,
        accepts=either([both([found.accepts for found in part]) for part in parts]),
        found="; ".join(f"{one.key} {one.found or 'absent'}" for part in failed for one in part),
        wanted=" or ".join(
            " and ".join(f"{one.key} {one.wanted}" for one in part) for part in failed if part
        ),
    )


def _key(key: str, rule: object, leaves: Leaves) -> KeyVerdict:
    values = _values(leaves, key)
    conditions = rule if isinstance(rule, list) else None
    answers = [None] if conditions is None else [_matches(one, values, leaves) for one in conditions]
    return KeyVerdict(key=key, accepts=either(answers), found=_found(values), wanted=json_text(rule))


def _values(leaves: Leaves, key: str) -> Values:
    """What is below a key of which nothing is known is not known either."""
    above = leaves.get(key.partition(".")[0])
    return Varying.ANYTHING if above is Varying.ANYTHING else leaves.get(key)


def _found(values: Values) -> str | None:
    if isinstance(values, Varying):
        return values.value
    return None if values is None else ", ".join(map(json_text, values))


def _matches(condition: object, values: Values, leaves: Leaves) -> bool | None:
    """The guide, "Key matching": `exists: false` does not match a message without any attributes."""
    if wanted_to_exist(condition) is False and not leaves:
        return False
    return matches(condition, values)


def _attributes(message: Encoded) -> Leaves:
    """SNS compares attributes of these types only, and leaves Binary ones out."""
    found: dict[str, Sequence[Value]] = {}
    for name, attribute in message.attributes.items():
        text = str(attribute.get("StringValue", ""))
        match attribute["DataType"].partition(".")[::2]:
            case "String", "Array":
                found[name] = _array(text)
            case "String", _:
                found[name] = [text]
            case "Number", _:
                found[name] = [] if (number := number_in(text)) is None else [number]
    return found


def _array(text: str) -> list[Value]:
    try:
        values = _parsed(text)
    except (ValueError, ArithmeticError, RecursionError):
        return []
    return (
        [value for value in values if not isinstance(value, dict | list)] if isinstance(values, list) else []
    )


def _leaves(body: Mapping[str, Any]) -> Leaves:
    """The body's values by dotted path. SNS does not tell `{"a.b": 1}` from `{"a": {"b": 1}}`, and looks into arrays."""
    found: dict[str, list[Value]] = {}

    def visit(path: str, value: object) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                visit(f"{path}.{name}" if path else name, inner)
        elif isinstance(value, list):
            for inner in value:
                visit(path, inner)
        elif value is None or isinstance(value, str | Decimal | bool):
            found.setdefault(path, []).append(value)

    visit("", body)
    return found


def _parsed(text: str) -> Any:
    return json.loads(text, parse_int=Decimal, parse_float=Decimal)


def json_text(value: object) -> str:
    """Return a value as JSON has it, a Decimal among it as a number."""
    return json.dumps(value, ensure_ascii=False, default=_number_text)


def _number_text(number: Decimal) -> int | float:
    is_whole = abs(number) < LONGEST_WHOLE and number == number.to_integral_value()
    return int(number) if is_whole else float(number)
