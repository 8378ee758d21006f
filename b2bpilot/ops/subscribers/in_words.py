"""A filter policy in words. What words would only blur is shown as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from b2bpilot.ops.subscribers.filter_policy import BODY_SCOPE, is_or, json_text, parsed

EVERYTHING = "everything"
TESTS: Mapping[object, str] = {"true": "test messages", "false": "real messages"}
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.@/+-]*")
"""A text of these can be told from a number, and needs no quotes."""
KEYWORDS = frozenset({"true", "false", "null"})
MOST_CHARACTERS = 200
OR = " or "


class _Unsaid(Exception):
    """There are no words for it here."""


def in_words(policy: str | None, scope: str) -> str:
    """Say which messages a subscription with this policy takes (JSON; None lets all through)."""
    if policy is None:
        return EVERYTHING
    wanted = parsed(policy)
    if wanted is None:
        return policy
    if not wanted:
        return EVERYTHING
    is_on_body = scope == BODY_SCOPE
    try:
        said = _only(wanted, is_on_body=is_on_body)
    except _Unsaid:
        said = ""
    if not said or len(said) > MOST_CHARACTERS:
        said = json_text(wanted)
    return f"by the body: {said}" if is_on_body else said


def _only(policy: Mapping[str, Any], *, is_on_body: bool) -> str:
    """What is a test is told first, as it is what is asked for most."""
    rest = dict(policy)
    tests = _tests(rest.pop("test", None), is_on_body=is_on_body)
    if tests is None:
        rest = dict(policy)
    clauses = list(_clauses(rest, "", is_nested=is_on_body))
    if tests is None:
        return _all_of(clauses)
    return f"only {tests}" + (f" where {_all_of(clauses)}" if clauses else "")


def _all_of(clauses: Sequence[str]) -> str:
    """Amid others, one with alternatives stands in parentheses."""
    if len(clauses) == 1:
        return clauses[0]
    return " and ".join(f"({one})" if OR in one and not one.startswith("(") else one for one in clauses)


def _tests(conditions: object, *, is_on_body: bool) -> str | None:
    """Attributes have a text where the body has a boolean."""
    if not isinstance(conditions, list) or len(conditions) != 1:
        return None
    (value,) = conditions
    if is_on_body:
        return TESTS[json.dumps(value)] if isinstance(value, bool) else None
    return TESTS.get(value) if isinstance(value, str) else None


def _clauses(policy: Mapping[str, Any], prefix: str, *, is_nested: bool) -> Iterator[str]:
    for name, wanted in policy.items():
        if is_or(name, wanted):
            parts = [list(_clauses(part, prefix, is_nested=is_nested)) for part in wanted]
            if not all(parts):
                raise _Unsaid
            yield f"({' or '.join(part[0] if len(part) == 1 else f'({_all_of(part)})' for part in parts)})"
        elif isinstance(wanted, dict) and is_nested:
            yield from _clauses(wanted, f"{prefix}{name}.", is_nested=True)
        elif isinstance(wanted, list) and wanted:
            yield _clause(_value(prefix + name), wanted)
        else:
            raise _Unsaid


def _clause(key: str, conditions: Sequence[object]) -> str:
    """Plain values are told together, whatever stands between them."""
    values = [one for one in conditions if not isinstance(one, dict | list)]
    said = [f"is {_listed(values)}"] if values else []
    said += [_condition(one) for one in conditions if isinstance(one, dict | list)]
    return f"{key} {' or '.join(said)}"


def _condition(condition: object) -> str:
    if not isinstance(condition, dict) or len(condition) != 1:
        raise _Unsaid
    ((name, operand),) = condition.items()
    say = WORDS.get(name)
    if say is None:
        raise _Unsaid
    return say(operand)


def _exists(operand: object) -> str:
    if not isinstance(operand, bool):
        raise _Unsaid
    return "is there" if operand else "is absent"


def _anything_but(operand: object) -> str:
    if isinstance(operand, dict):
        if set(operand) == {"prefix"}:
            return f"is anything that does not begin with {_text(operand['prefix'])}"
        raise _Unsaid
    values = operand if isinstance(operand, list) else [operand]
    if not values or any(isinstance(one, dict | list) for one in values):
        raise _Unsaid
    return f"is anything but {_listed(values)}"


def _numeric(operand: object) -> str:
    if not isinstance(operand, list) or not operand or len(operand) % 2:
        raise _Unsaid
    pairs = list(zip(operand[::2], operand[1::2], strict=True))
    if not all(isinstance(name, str) and isinstance(bound, Decimal) for name, bound in pairs):
        raise _Unsaid
    return "is a number " + " and ".join(f"{name} {json_text(bound)}" for name, bound in pairs)


def _with(words: str, after: str = "") -> Callable[[object], str]:
    return lambda operand: f"{words} {_text(operand)}{after}"


WORDS: Mapping[str, Callable[[object], str]] = {
    "exists": _exists,
    "anything-but": _anything_but,
    "numeric": _numeric,
    "prefix": _with("begins with"),
    "suffix": _with("ends with"),
    "equals-ignore-case": _with("is", " in any case"),
    "wildcard": _with("matches"),
    "cidr": _with("is an address in"),
}


def _text(operand: object) -> str:
    if not isinstance(operand, str):
        raise _Unsaid
    return _value(operand)


def _listed(values: Sequence[object]) -> str:
    *before, last = [_value(one) for one in values]
    return f"{', '.join(before)} or {last}" if before else last


def _value(value: object) -> str:
    """A text that is a number, a keyword or has spaces is quoted: it could be read as something else."""
    if isinstance(value, str) and PLAIN.fullmatch(value) and value not in KEYWORDS:
        return value
    return json_text(value)
