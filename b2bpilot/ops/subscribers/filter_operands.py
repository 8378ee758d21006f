"""What each operator of a filter policy takes. SNS reads policies as https://github.com/aws/event-ruler does, with fewer
operators: docs/aws-facts.md#filter-policies."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from b2bpilot.ops.subscribers.filter_policy import json_text

SCALARS = (str, bool, Decimal, type(None))
KINDS_OF_VALUE = "string, number, true, false or null"
LARGEST = 10**9
RANGES = {">": ("<", "<="), ">=": ("<", "<=")}
"""What may follow a lower bound. Nothing follows another."""
COMPARISONS = ("=", "<", "<=", *RANGES)
LEAST, RANGE = 2, 4
"""Elements of one comparison, and of two."""


def wrong_condition(condition: Mapping[str, Any]) -> Iterator[str]:
    """Yield what SNS refuses in an object that stands for a value."""
    if len(condition) != 1:
        yield f"one operator in {json_text(condition)}, not {len(condition)}"
        return
    ((name, operand),) = condition.items()
    if name not in OPERANDS:
        yield f"SNS has no operator {name}; it has {', '.join(sorted(OPERANDS))}"
    elif (wrong := OPERANDS[name](operand)) is not None:
        yield f"{name} {wrong}"


def _text(operand: Any) -> str | None:
    return None if isinstance(operand, str) else f"takes a string, not {json_text(operand)}"


def _exists(operand: Any) -> str | None:
    return None if isinstance(operand, bool) else f"takes true or false, not {json_text(operand)}"


def _cidr(operand: Any) -> str | None:
    if not isinstance(operand, str):
        return _text(operand)
    address, _, bits = operand.partition("/")
    try:
        is_network = bits.isdecimal() and int(bits[:4]) <= ipaddress.ip_address(address).max_prefixlen
    except ValueError:
        is_network = False
    return (
        None if is_network else f"takes an address and a mask such as 10.0.0.0/24, not {json_text(operand)}"
    )


def _numeric(operand: Any) -> str | None:
    if not isinstance(operand, list):
        return f'takes an array such as [">=", 100], not {json_text(operand)}'
    names, bounds = operand[::2], operand[1::2]
    if len(operand) not in (LEAST, RANGE):
        return f"takes a comparison and a number, or two for a range, not {json_text(operand)}"
    if not all(isinstance(one, Decimal) for one in bounds):
        return f"takes numbers, not {json_text(operand)}"
    return _comparisons(operand, names) or _bounds(operand, bounds)


def _comparisons(operand: Sequence[Any], names: Sequence[Any]) -> str | None:
    if names[0] not in COMPARISONS:
        return f"takes one of {', '.join(COMPARISONS)}, not {json_text(names[0])}"
    if len(names) == 1 or names[1] in RANGES.get(str(names[0]), ()):
        return None
    return f"takes a range as its lower bound (>, >=) and then its upper (<, <=), not {json_text(operand)}"


def _bounds(operand: Sequence[Any], bounds: Sequence[Decimal]) -> str | None:
    if any(abs(one) > LARGEST for one in bounds):
        return f"takes numbers from -{LARGEST:,} to {LARGEST:,}, not {json_text(operand)}"
    is_ordered = len(bounds) == 1 or bounds[0] < bounds[1]
    return None if is_ordered else f"takes a range whose lower bound is the lesser, not {json_text(operand)}"


def _anything_but(operand: Any) -> str | None:
    if isinstance(operand, dict):
        return _anything_but_prefix(operand)
    values = operand if isinstance(operand, list) else [operand]
    are_texts = all(isinstance(one, str) for one in values)
    are_numbers = all(isinstance(one, Decimal) for one in values)
    if not values or not (are_texts or are_numbers):
        return f"takes strings, or numbers, or a prefix, not {json_text(operand)}"
    if are_numbers and any(abs(one) > LARGEST for one in values):
        return f"takes numbers from -{LARGEST:,} to {LARGEST:,}, not {json_text(operand)}"
    return None


def _anything_but_prefix(operand: Mapping[str, Any]) -> str | None:
    prefix = operand.get("prefix")
    if len(operand) == 1 and isinstance(prefix, str) and prefix:
        return None
    return f'takes {{"prefix": "..."}} and no other operator, not {json_text(operand)}'


OPERANDS: Mapping[str, Callable[[Any], str | None]] = {
    "anything-but": _anything_but,
    "cidr": _cidr,
    "equals-ignore-case": _text,
    "exists": _exists,
    "numeric": _numeric,
    "prefix": _text,
    "suffix": _text,
}
"""What is wrong with an operand, in words that follow the operator. SNS's guide has no `wildcard`, which EventBridge has."""
