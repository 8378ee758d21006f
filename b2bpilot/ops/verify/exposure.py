"""What a resource policy says to strangers: whom it lets in, and whether it insists on TLS."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

NARROWING = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceorgid",
        "aws:sourceowner",
        "aws:sourcevpc",
        "aws:sourcevpce",
    }
)
"""Keys with which a statement for everybody means somebody after all."""

OPERATORS = frozenset({"arnequals", "arnlike", "stringequals", "stringequalsignorecase", "stringlike"})

Statement = Mapping[str, Any]


def open_to_all(policy: str | None) -> list[Statement]:
    """Return the statements that let anybody in, from any account."""
    return [one for one in statements(policy) if one.get("Effect") == "Allow" and _is_for_all(one)]


def refuses_plain_http(policy: str | None, action: str) -> bool:
    """Tell whether a statement denies everybody the action without TLS."""
    return any(_denies_plain_http(one, action) for one in statements(policy))


def plain_http_refused(action: str, resource: str) -> Statement:
    """Return the template's statement that insists on TLS."""
    return {
        "Sid": "DenyPlainHttp",
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": resource,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def with_statements(policy: str | None, added: Sequence[Statement]) -> dict[str, Any]:
    """Return the policy with more statements; one with the same Sid is replaced, all others stay."""
    names = {one.get("Sid") for one in added}
    kept = [one for one in statements(policy) if one.get("Sid") not in names]
    return {"Version": "2012-10-17", "Statement": [*kept, *added]}


def statements(policy: str | None) -> Iterator[Statement]:
    document = json.loads(policy or "{}")
    yield from _list(document.get("Statement"))


def _is_for_all(statement: Statement) -> bool:
    principal = statement.get("Principal")
    if isinstance(principal, dict):
        principal = "*" if "*" in _list(principal.get("AWS")) else None
    return (principal == "*" or "NotPrincipal" in statement) and not any(_narrowing(statement))


def _narrowing(statement: Statement) -> Iterator[bool]:
    for operator, keys in (statement.get("Condition") or {}).items():
        name = operator.lower().removeprefix("foranyvalue:")
        for key, wanted in keys.items():
            yield name in OPERATORS and key.lower() in NARROWING and "*" not in _list(wanted)


def _denies_plain_http(statement: Statement, action: str) -> bool:
    condition = {
        (operator.lower(), key.lower()): [str(value).lower() for value in _list(wanted)]
        for operator, keys in (statement.get("Condition") or {}).items()
        for key, wanted in keys.items()
    }
    return (
        statement.get("Effect") == "Deny"
        and statement.get("Principal") in ("*", {"AWS": "*"})
        and any(fnmatchcase(action.lower(), str(one).lower()) for one in _list(statement.get("Action")))
        and condition == {("bool", "aws:securetransport"): ["false"]}
    )


def _list(value: object) -> Sequence[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
