"""One condition of an SNS filter policy against the values of one key.

Sources: the SNS Developer Guide, "String value matching", "Numeric value matching", "Key matching"; and the tests that
localstack ran against AWS. A condition that is none of these answers None: nobody can tell from here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TypeAlias

Value: TypeAlias = str | Decimal | bool | None
"""A leaf of JSON, numbers as Decimal."""

ACCURACY = Decimal("0.00001")
"""SNS compares five digits after the point."""

COMPARISONS: Mapping[str, Callable[[Decimal, Decimal], bool]] = {
    "=": lambda value, bound: value == bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
}

TEXT_TESTS: Mapping[str, Callable[[str, str], bool]] = {
    "prefix": str.startswith,
    "suffix": str.endswith,
    "equals-ignore-case": lambda value, text: value.lower() == text.lower(),
}


def matches(condition: object, values: Sequence[Value] | None) -> bool | None:
    """Tell whether one of the values meets the condition; `values` None means that the key is absent.

    A value of several, in an array, is enough, for `anything-but` as well: the guide has said both of it.
    """
    if isinstance(condition, Mapping):
        return _operator(condition, values)
    if not _is_value(condition):
        return None
    return any(_same(value, condition) for value in values or ())


def either(answers: Sequence[bool | None]) -> bool | None:
    """Return the OR of answers of which None is "unknown"."""
    if any(answers):
        return True
    return None if None in answers else False


def _operator(condition: Mapping[str, object], values: Sequence[Value] | None) -> bool | None:
    if len(condition) != 1:
        return None
    ((name, operand),) = condition.items()
    if name == "exists" and isinstance(operand, bool):
        return _exists(values) if operand else values is None
    if name == "anything-but":
        return _anything_but(operand, values or ())
    if name == "numeric" and isinstance(operand, list):
        return _in_range(operand, values or ())
    if name == "cidr" and isinstance(operand, str):
        return _in_network(operand, values or ())
    return _text_operator(name, operand, values or ())


def _text_operator(name: str, operand: object, values: Sequence[Value]) -> bool | None:
    test = TEXT_TESTS.get(name)
    if test is None or not isinstance(operand, str):
        return None
    return any(isinstance(value, str) and test(value, operand) for value in values)


def _exists(values: Sequence[Value] | None) -> bool:
    """The guide: the key must have a value that is neither null nor empty."""
    return any(value is not None and value != "" for value in values or ())


def _anything_but(operand: object, values: Sequence[Value]) -> bool | None:
    present = [value for value in values if value is not None]
    if isinstance(operand, Mapping):
        answers = [_operator(operand, [value]) for value in present] if "prefix" in operand else [None]
        return either([None if answer is None else not answer for answer in answers])
    forbidden = operand if isinstance(operand, list) else [operand]
    if not all(map(_is_value, forbidden)):
        return None
    return any(not any(_same(value, other) for other in forbidden) for value in present)


def _in_network(operand: str, values: Sequence[Value]) -> bool | None:
    try:
        network = ipaddress.ip_network(operand, strict=False)
    except ValueError:
        return None
    return any(isinstance(value, str) and _is_inside(value, network) for value in values)


def _is_inside(text: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        return ipaddress.ip_address(text) in network
    except ValueError:
        return False


def _in_range(bounds: Sequence[object], values: Sequence[Value]) -> bool | None:
    """`[">", 0, "<=", 100]`: operators and bounds in turn, all of which must hold."""
    pairs = list(zip(bounds[::2], bounds[1::2], strict=False))
    if not pairs or len(bounds) % 2:
        return None
    tests: list[tuple[Callable[[Decimal, Decimal], bool], Decimal]] = []
    for name, bound in pairs:
        if name not in COMPARISONS or not isinstance(bound, Decimal):
            return None
        tests.append((COMPARISONS[str(name)], _rounded(bound)))
    return any(
        isinstance(value, Decimal) and all(test(_rounded(value), bound) for test, bound in tests)
        for value in values
    )


def _is_value(value: object) -> bool:
    return value is None or isinstance(value, str | Decimal | bool)


def _same(value: Value, other: object) -> bool:
    """JSON's types are kept apart: the attribute "true" is not true, and "5" is not 5."""
    if isinstance(value, Decimal) and isinstance(other, Decimal):
        return _rounded(value) == _rounded(other)
    return type(value) is type(other) and value == other


def _rounded(number: Decimal) -> Decimal:
    return number.quantize(ACCURACY) if number.is_finite() and abs(number) < 10**15 else number
