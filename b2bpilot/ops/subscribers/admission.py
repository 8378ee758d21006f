"""Does a resource's policy let an AWS service in, SNS above all, when it comes from one topic or API?

As whom SNS comes depends on the regions of the two: docs/aws-facts.md#sns-principals.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from b2bpilot.ops.subscribers.conditions import both, either
from b2bpilot.pipeline.arn import account_of, partition_of, region_of

SNS = "sns.amazonaws.com"
OPTED_INTO = "aws"
"""The partition that has regions which an account has to opt into: all but these, which were there by March 2019."""
ENABLED = frozenset(
    {
        *(
            "ap-northeast-1",
            "ap-northeast-2",
            "ap-northeast-3",
            "ap-south-1",
            "ap-southeast-1",
            "ap-southeast-2",
        ),
        *("ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1"),
        *("us-east-1", "us-east-2", "us-west-1", "us-west-2"),
    }
)
EXACT, LIKE = frozenset({"bool", "stringequals"}), frozenset({"arnequals", "arnlike", "stringlike"})
"""ArnEquals takes wildcards, as ArnLike does."""


def admits(
    policy: str | None, *, action: str, topic_arn: str, endpoint_arn: str | None = None
) -> bool | None:
    """Tell whether the policy (JSON; None admits nobody) lets SNS do `action` for the topic. None: it cannot be told.

    `endpoint_arn` is what has the policy; without it, it is in the topic's region.
    """
    return _admitted(policy, _names(topic_arn, endpoint_arn or topic_arn), action, topic_arn)


def admits_service(policy: str | None, service: str, *, action: str, source_arn: str) -> bool | None:
    """Tell the same of any service that acts for a resource, such as API Gateway for a route."""
    return _admitted(policy, {service: True}, action, source_arn)


def principal_for(topic_arn: str, endpoint_arn: str) -> str:
    """Return the principal as which SNS delivers from one to the other, for a policy to name."""
    return next(name for name, is_its in _names(topic_arn, endpoint_arn).items() if is_its)


def _names(topic_arn: str, endpoint_arn: str) -> Mapping[str, bool | None]:
    """The principals as which SNS delivers, the documented one first; None: nobody has said whether it does."""
    topic, endpoint = region_of(topic_arn), region_of(endpoint_arn)
    regional = {f"sns.{region}.amazonaws.com": None for region in (topic, endpoint)}
    own = f"sns.{topic}.amazonaws.com"
    if topic == endpoint:
        return {SNS: True, own: True if _is_opted_into(topic_arn) else None}
    if _is_opted_into(endpoint_arn):
        return regional | {f"sns.{endpoint}.amazonaws.com": True}
    return regional | {own: True} if _is_opted_into(topic_arn) else {SNS: True, **regional}


def _is_opted_into(arn: str) -> bool:
    return partition_of(arn) == OPTED_INTO and region_of(arn) not in ENABLED


def _admitted(
    policy: str | None, names: Mapping[str, bool | None], action: str, source_arn: str
) -> bool | None:
    if policy is None:
        return False
    try:
        document = json.loads(policy)
    except ValueError:
        return None
    statements = _list(document.get("Statement")) if isinstance(document, dict) else []
    denied, allowed = (
        either(
            [_applies(one, names, action, source_arn) for one in statements if one.get("Effect") == effect]
        )
        for effect in ("Deny", "Allow")
    )
    if denied or allowed is False:
        return False
    return None if denied is None else allowed


def _applies(
    statement: Mapping[str, Any], names: Mapping[str, bool | None], action: str, source_arn: str
) -> bool | None:
    if "NotPrincipal" in statement or "NotAction" in statement:
        return None
    if not _covers(statement.get("Action"), action):
        return False
    answers = [
        _is(statement.get("Principal"), names),
        *(
            _holds(operator, key, wanted, source_arn)
            for operator, keys in (statement.get("Condition") or {}).items()
            for key, wanted in keys.items()
        ),
    ]
    return both(answers)


def _is(principal: object, names: Mapping[str, bool | None]) -> bool | None:
    if principal == "*":
        return True
    if not isinstance(principal, dict):
        return False
    if "*" in _list(principal.get("AWS")):
        return True
    return either([names.get(str(one), False) for one in _list(principal.get("Service"))])


def _covers(actions: object, action: str) -> bool:
    return any(fnmatchcase(action.lower(), str(one).lower()) for one in _list(actions))


def _holds(operator: str, key: str, expected: object, source_arn: str) -> bool | None:
    """What the service brings along: the topic or route, its account, and TLS."""
    known = {
        "aws:sourcearn": source_arn,
        "aws:sourceaccount": account_of(source_arn),
        "aws:sourceowner": account_of(source_arn),
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
