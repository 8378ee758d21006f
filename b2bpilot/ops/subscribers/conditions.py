"""One condition of an SNS filter policy against the values of one key.

Sources: the SNS Developer Guide, "String value matching", "Numeric value matching", "Key matching"; and the tests that
localstack ran against AWS. What these do not say, or say in two ways, answers None: nobody can tell from here.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import TypeAlias

Value: TypeAlias = str | Decimal | bool | None
"""A leaf of JSON, numbers as Decimal."""


class Varying(Enum):
    """Values of a key that differ from message to message, so that nobody can try all of them."""

    TEXT = "different in each message"
    ANYTHING = "what each message has, if anything"


Values: TypeAlias = Sequence[Value] | Varying | None
"""What a message has under a key; None: nothing."""

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


def matches(condition: object, values: Values) -> bool | None:
    """Tell whether one of the values meets the condition. One of several, in an array, is enough."""
    if isinstance(values, Varying):
        return _of_varying(condition, values)
    if isinstance(condition, Mapping):
        return _operator(condition, values)
    if not _is_value(condition):
        return None
    return either([_same(value, condition) for value in values or ()])


def either(answers: Sequence[bool | None]) -> bool | None:
    """Return the OR of answers of which None is "unknown"."""
    if any(answers):
        return True
    return None if None in answers else False


def wanted_to_exist(condition: object) -> bool | None:
    """Tell whether a condition wants the key there, or absent; None where it asks for something else."""
    operand = condition.get("exists") if isinstance(condition, Mapping) and len(condition) == 1 else None
    return operand if isinstance(operand, bool) else None


def both(answers: Sequence[bool | None]) -> bool | None:
    """Return the AND of answers of which None is "unknown"."""
    if False in answers:
        return False
    return None if None in answers else True


def opposite(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


def _of_varying(condition: object, values: Varying) -> bool | None:
    """That there is a text is all that is known of it."""
    return wanted_to_exist(condition) if values is Varying.TEXT else None


def _operator(condition: Mapping[str, object], values: Sequence[Value] | None) -> bool | None:
    if len(condition) != 1:
        return None
    if (is_wanted := wanted_to_exist(condition)) is not None:
        return _exists(values) if is_wanted else values is None
    ((name, operand),) = condition.items()
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
    """Of an array with forbidden and other values the guide has said both: that it matches, and that it does not."""
    if isinstance(operand, Mapping) and "prefix" in operand:
        answers = [opposite(_operator(operand, [value])) for value in values if value is not None]
    elif isinstance(operand, Mapping):
        answers = [None for value in values if value is not None]
    else:
        answers = [_is_none_of(operand, value) for value in values if value is not None]
    return either(answers) if len(set(answers)) < 2 else None  # noqa: PLR2004  # two different answers


def _is_none_of(operand: object, value: Value) -> bool | None:
    forbidden = operand if isinstance(operand, list) else [operand]
    if not all(map(_is_value, forbidden)):
        return None
    return both([opposite(_same(value, other)) for other in forbidden])


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
    return either([_meets(value, tests) for value in values])


def _meets(value: Value, tests: Sequence[tuple[Callable[[Decimal, Decimal], bool], Decimal]]) -> bool | None:
    if isinstance(value, Decimal):
        return all(test(_rounded(value), bound) for test, bound in tests)
    is_spelled = isinstance(value, str) and (number := number_in(value)) is not None and _meets(number, tests)
    return None if is_spelled else False


def _is_value(value: object) -> bool:
    return value is None or isinstance(value, str | Decimal | bool)


def _same(value: Value, other: object) -> bool | None:
    """JSON's types are kept apart. Of the text "true" and true, or "5" and 5, the guide does not say what they are to each
    other as a String attribute's value and a policy's."""
    if isinstance(value, Decimal) and isinstance(other, Decimal):
        return _rounded(value) == _rounded(other)
    if type(value) is type(other):
        return value == other
    if isinstance(value, Decimal) and isinstance(other, str):
        return None if number_in(other) == value else False
    if isinstance(value, str) and isinstance(other, Decimal):
        return None if number_in(value) == other else False
    return None if isinstance(value, str) and value == json.dumps(other) else False


def number_in(text: str) -> Decimal | None:
    """Return the number that a text is; None where it is none, or no number that can be compared."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return None if number.is_nan() else number


def _rounded(number: Decimal) -> Decimal:
    return number.quantize(ACCURACY) if number.is_finite() and abs(number) < 10**15 else number
