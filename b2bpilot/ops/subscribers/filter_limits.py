"""What SNS refuses in a filter policy, and what no message of ours could pass: asked before SNS is.

Source: docs/aws-facts.md#filter-policies. The emulator takes all of it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from math import prod
from typing import Any

from b2bpilot.aws.subscriptions import Subscription
from b2bpilot.ops.subscribers.coverage import coverage
from b2bpilot.ops.subscribers.filter_operands import KINDS_OF_VALUE, SCALARS, wrong_condition
from b2bpilot.ops.subscribers.filter_policy import BODY_SCOPE, OPERATORS, is_or, json_text

SCOPES = ("MessageAttributes", BODY_SCOPE)
MOST_BYTES = 256 * 1024
MOST_KEYS = 5
MOST_COMBINATIONS = 150
DEEPEST = 150
"""A value below so many keys has more combinations than SNS takes, whatever else there is."""


class _Twice(dict[str, Any]):
    """An object in which a key stands twice: Python would keep the last, and SNS does not say which."""

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        counts = Counter(name for name, _ in pairs)
        self.twice = [name for name, count in counts.items() if count > 1]


def problems_of(policy: str, scope: str) -> list[str]:
    """Return what is wrong with a policy (JSON) for a scope, each a clause of its own; none for one that SNS takes and that
    lets a kind of message through. `{}` is SNS's way to take a policy away, and lets all through."""
    if scope not in SCOPES:
        return [f"there is no filter policy scope {scope!r}: it is one of {', '.join(SCOPES)}"]
    try:
        document = _parsed(policy)
    except ValueError as exc:
        return [f"it is not JSON: {exc}"]
    except (ArithmeticError, RecursionError):
        return ["it is not JSON that SNS could read: a number is too large, or it is nested too deep"]
    if not isinstance(document, dict):
        return ['it is not a JSON object such as {"test": ["false"]}']
    found = list(dict.fromkeys([*_size(policy), *_keys(document), *_rules(document, scope, "", 1)]))
    return found or [*_combinations(document), *_nothing_passes(policy, scope)]


def filter_problems(subscription: Subscription) -> list[str]:
    """Return what is wrong with a subscription's policy; none where there is none, or it cannot be read."""
    if subscription.filter_policy is None or subscription.attributes_error is not None:
        return []
    return problems_of(subscription.filter_policy, subscription.filter_policy_scope)


def _parsed(text: str) -> Any:
    return json.loads(
        text,
        parse_int=Decimal,
        parse_float=Decimal,
        parse_constant=_no_constant,
        object_pairs_hook=_Twice,
    )


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON's")


def _size(policy: str) -> Iterator[str]:
    try:
        size = len(policy.encode())
    except UnicodeEncodeError:
        yield "it is not valid UTF-8"
        return
    if size > MOST_BYTES:
        yield f"it has {size:,} bytes, and SNS takes {MOST_BYTES:,}"


def _keys(document: Mapping[str, Any]) -> Iterator[str]:
    """Those of nested objects are not counted."""
    if len(document) > MOST_KEYS:
        yield f"it has {len(document):,} keys, and SNS takes {MOST_KEYS}"


def _rules(document: Mapping[str, Any], scope: str, prefix: str, depth: int) -> Iterator[str]:
    yield from (f"the key {prefix}{name} is there twice" for name in getattr(document, "twice", ()))
    for name, rule in document.items():
        key = prefix + name
        if is_or(name, rule):
            yield from _alternatives(rule, scope, prefix, depth)
        elif isinstance(rule, dict):
            yield from _nested(rule, scope, key, depth)
        elif isinstance(rule, list):
            yield from (
                _no_or(key, rule) if name == "$or" and _is_meant_as_or(rule) else _conditions(key, rule)
            )
        else:
            yield f'{key}: a value stands in an array: {{"{name}": [{json_text(rule)}]}}'


def _alternatives(parts: Sequence[Any], scope: str, prefix: str, depth: int) -> Iterator[str]:
    for part in parts:
        if not part:
            yield f"{prefix}$or: SNS refuses an empty object"
        yield from _rules(part, scope, prefix, depth)


def _nested(rule: Mapping[str, Any], scope: str, key: str, depth: int) -> Iterator[str]:
    if operators := sorted(OPERATORS & rule.keys()):
        yield f"{key}: the operator {operators[0]} stands in an array: [{json_text(dict(rule))}]"
    elif scope != BODY_SCOPE:
        yield f"{key}: an object is for the scope {BODY_SCOPE}; attributes have no keys below them"
    elif not rule:
        yield f"{key}: SNS refuses an empty object"
    elif depth >= DEEPEST:
        yield f"{key.partition('.')[0]}: it is nested more than {DEEPEST} deep"
    else:
        yield from _rules(rule, scope, f"{key}.", depth + 1)


def _is_meant_as_or(rule: Sequence[Any]) -> bool:
    return not rule or any(isinstance(part, dict) and not part.keys() <= OPERATORS for part in rule)


def _no_or(key: str, rule: Sequence[Any]) -> Iterator[str]:
    if len(rule) < 2:  # noqa: PLR2004  # an alternative
        yield f"{key} takes two objects or more"
    elif not all(isinstance(part, dict) for part in rule):
        yield f"{key} takes objects only"
    else:
        named = sorted({name for part in rule for name in OPERATORS & part.keys()})
        yield f"{key}: {', '.join(named)} is an operator, and no key in its objects"


def _conditions(key: str, rule: Sequence[Any]) -> Iterator[str]:
    if not rule:
        yield f"{key}: SNS refuses an empty array; it matches nothing"
    for condition in rule:
        if isinstance(condition, dict):
            yield from (f"{key}: {wrong}" for wrong in wrong_condition(condition))
        elif not isinstance(condition, SCALARS):
            yield f"{key}: {json_text(condition)} is no {KINDS_OF_VALUE}"


def _combinations(document: Mapping[str, Any]) -> Iterator[str]:
    count = _combined(document, 1)
    if count > MOST_COMBINATIONS:
        shown = f"{count:,}" if count < 10**9 else "more than 1,000,000,000"
        yield f"it has {shown} combinations of values, and SNS takes {MOST_COMBINATIONS}"


def _combined(document: Mapping[str, Any], depth: int) -> int:
    """Each array counts its values times its depth; arrays multiply, and alternatives add up."""
    return prod(
        sum(_combined(part, depth) for part in rule)
        if is_or(name, rule)
        else _combined(rule, depth + 1)
        if isinstance(rule, dict)
        else len(rule) * depth
        for name, rule in document.items()
    )


def _nothing_passes(policy: str, scope: str) -> Iterator[str]:
    found = coverage(policy, scope)
    if found.rejects_all:
        first = found.lost[0]
        yield f"no message that b2bpilot publishes passes it, such as a {first.kind}: {first.why()}"
