"""The template's parameters: which a deploy must be given, and whether a value fits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from b2bpilot.errors import SettingsInvalid

LISTS = frozenset({"CommaDelimitedList", "List<Number>"})
NUMBERS = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})


class _AsWritten(yaml.SafeLoader):
    """Leaves numbers as text: an account id of the digits 0 to 7 with a 0 in front would be an octal one."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # as PyYAML declares it
        first: [(tag, pattern) for tag, pattern in found if tag not in NUMBERS]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    name: str
    default: str | None
    is_secret: bool
    description: str
    pattern: str | None = None
    allowed: tuple[str, ...] = ()
    constraint: str = ""
    longest: int | None = None
    is_list: bool = False
    """Several values with commas between: the pattern is for each."""

    def require(self, value: str) -> None:
        """Raises SettingsInvalid, which does not repeat the value: it may be a secret."""
        if not self._fits(value) or (self.allowed and value not in self.allowed):
            wanted = self.constraint or f"one of {', '.join(self.allowed)}"
            raise SettingsInvalid(f"parameter {self.name} is not valid: it must be {wanted}")
        if self.longest is not None and len(value) > self.longest:
            raise SettingsInvalid(
                f"parameter {self.name} is not valid: it has {len(value):,} characters, of at most {self.longest:,}"
            )

    def _fits(self, value: str) -> bool:
        parts = [part.strip() for part in value.split(",")] if self.is_list else [value]
        if len(parts) > 1 and "" in parts:
            return False
        return not self.pattern or all(re.fullmatch(self.pattern, part) for part in parts)


def parameters(template: Mapping[str, Any]) -> dict[str, Parameter]:
    """Return the parameters of a template as `verify.template.parse` read it."""
    return {name: _parameter(name, each) for name, each in template["Parameters"].items()}


def _parameter(name: str, answer: Mapping[str, Any]) -> Parameter:
    return Parameter(
        name=name,
        default=str(answer["Default"]) if "Default" in answer else None,
        is_secret=bool(answer.get("NoEcho")),
        description=answer.get("Description", ""),
        pattern=answer.get("AllowedPattern"),
        allowed=tuple(map(str, answer.get("AllowedValues", ()))),
        constraint=answer.get("ConstraintDescription", ""),
        longest=answer.get("MaxLength"),
        is_list=answer.get("Type") in LISTS,
    )


def given(text: str, known: Mapping[str, Parameter], *, origin: str) -> dict[str, str]:
    """Return the values of a file, `Name: value` in YAML or JSON. Raises SettingsInvalid, which repeats none of them."""
    try:
        found = yaml.load(text, _AsWritten)  # noqa: S506  # nosec B506  # a safe loader
    except yaml.YAMLError:
        raise SettingsInvalid(f"{origin} is neither YAML nor JSON") from None
    if not isinstance(found, dict) or any(isinstance(value, dict | list) for value in found.values()):
        raise SettingsInvalid(f"{origin} does not hold parameters", hint="one a line, as `Name: value`")
    values = {str(name): _text(value) for name, value in found.items()}
    require(values, known, origin=origin)
    return values


def require(values: Mapping[str, str], known: Mapping[str, Parameter], *, origin: str) -> None:
    """Raises SettingsInvalid for a name that the template does not have, and for a value that does not fit."""
    if unknown := sorted(values.keys() - known.keys()):
        raise SettingsInvalid(
            f"{origin} has unknown parameters: {', '.join(unknown)}",
            hint=f"the template has {', '.join(sorted(known))}",
        )
    for name, value in values.items():
        known[name].require(value)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
