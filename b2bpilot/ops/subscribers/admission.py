"""Does a resource's policy let an AWS service in, SNS above all, when it comes from one topic or API?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from b2bpilot.ops.subscribers.conditions import either

SNS = "sns.amazonaws.com"
EXACT, LIKE = frozenset({"bool", "stringequals"}), frozenset({"arnequals", "arnlike", "stringlike"})
"""ArnEquals takes wildcards, as ArnLike does."""


def admits(policy: str | None, *, action: str, topic_arn: str) -> bool | None:
    """Tell whether the policy (JSON; None admits nobody) lets SNS do `action` for the topic. None: it cannot be told."""
    return admits_service(policy, SNS, action=action, source_arn=topic_arn)


def admits_service(policy: str | None, service: str, *, action: str, source_arn: str) -> bool | None:
    """Tell the same of any service that acts for a resource, such as API Gateway for a route."""
    if policy is None:
        return False
    try:
        document = json.loads(policy)
    except ValueError:
        return None
    statements = _list(document.get("Statement")) if isinstance(document, dict) else []
    denied, allowed = (
        either(
            [_applies(one, service, action, source_arn) for one in statements if one.get("Effect") == effect]
        )
        for effect in ("Deny", "Allow")
    )
    if denied or allowed is False:
        return False
    return None if denied is None else allowed


def _applies(statement: Mapping[str, Any], service: str, action: str, source_arn: str) -> bool | None:
    if "NotPrincipal" in statement or "NotAction" in statement:
        return None
    if not _is(statement.get("Principal"), service) or not _covers(statement.get("Action"), action):
        return False
    answers = [
        _holds(operator, key, wanted, source_arn)
        for operator, keys in (statement.get("Condition") or {}).items()
        for key, wanted in keys.items()
    ]
    if False in answers:
        return False
    return None if None in answers else True


def _is(principal: object, service: str) -> bool:
    if principal == "*":
        return True
    if not isinstance(principal, dict):
        return False
    return "*" in _list(principal.get("AWS")) or service in _list(principal.get("Service"))


def _covers(actions: object, action: str) -> bool:
    return any(fnmatchcase(action.lower(), str(one).lower()) for one in _list(actions))


def _holds(operator: str, key: str, expected: object, source_arn: str) -> bool | None:
    """What the service brings along: the topic or route, its account, and TLS."""
    known = {
        "aws:sourcearn": source_arn,
        "aws:sourceaccount": source_arn.split(":")[4],
        "aws:sourceowner": source_arn.split(":")[4],
        "aws:securetransport": "true",
    }
    name = operator.lower().removesuffix("ifexists")
    value = known.get(key.lower())
    if value is None or name not in EXACT | LIKE:
        return None
    if name in EXACT:
        return value in map(str, _list(expected))
    return any(fnmatchcase(value, str(one)) for one in _list(expected))


def _list(value: object) -> Sequence[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
