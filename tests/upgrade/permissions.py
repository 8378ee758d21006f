"""Which secrets the functions' roles may read, while IAM lags behind an update: the emulator itself denies nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from b2bpilot.local.clients import TIMEOUTS, LocalAws

READ = "secretsmanager:GetSecretValue"
VARIABLE = "SECRET_ARN"


class Permissions:
    """What the roles allow, and what they allowed before the template was updated last: for a while either may hold."""

    def __init__(self, aws: LocalAws) -> None:
        self._functions = aws.functions
        self._iam = aws.access.client("iam", TIMEOUTS)
        self._before: Mapping[str, frozenset[str]] = {}

    def remember(self, functions: Iterable[str]) -> None:
        """An update of the template is about to begin."""
        self._before = {role: self._readable(role) for role in map(self._role_of, functions)}

    def denied(self, function: str) -> list[str]:
        """Return the variables whose secret the function may not read, now or by what was so before."""
        named = self._secrets_of(function)
        while True:
            found = self._not_allowed(self._role_of(function), named)
            before, named = named, self._secrets_of(function)
            if before == named:  # else the template was updated in between
                return found

    def _not_allowed(self, role: str, named: Mapping[str, str]) -> list[str]:
        allowed, by_then = self._readable(role), self._before.get(role, frozenset())
        known = frozenset[str]().union(*self._before.values())
        return [
            name for name, arn in named.items() if arn not in allowed or (arn in known and arn not in by_then)
        ]

    def _secrets_of(self, function: str) -> Mapping[str, str]:
        """As Lambda has them now: the local runtime remembers a function's settings for a second."""
        found = self._functions.get_function_configuration(FunctionName=function)
        variables = found.get("Environment", {}).get("Variables", {})
        return {name: arn for name, arn in variables.items() if name.endswith(VARIABLE)}

    def _role_of(self, function: str) -> str:
        arn = self._functions.get_function_configuration(FunctionName=function)["Role"]
        return arn.rpartition("/")[2]

    def _readable(self, role: str) -> frozenset[str]:
        names = self._iam.list_role_policies(RoleName=role)["PolicyNames"]
        documents = [
            self._iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names
        ]
        return frozenset(arn for document in documents for arn in _readable_by(document))


def _readable_by(document: Mapping[str, Any]) -> Iterator[str]:
    for statement in document["Statement"]:
        if READ in _listed(statement["Action"]):
            yield from _listed(statement["Resource"])


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
