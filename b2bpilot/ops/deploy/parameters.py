"""The template's parameters: which a deploy must be given, and whether a value fits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from b2bpilot.errors import SettingsInvalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    name: str
    default: str | None
    is_secret: bool
    description: str
    pattern: str | None = None
    allowed: tuple[str, ...] = ()
    constraint: str = ""

    def require(self, value: str) -> None:
        """Raises SettingsInvalid, which does not repeat the value: it may be a secret."""
        fits = not self.pattern or re.fullmatch(self.pattern, value)
        if not fits or (self.allowed and value not in self.allowed):
            wanted = self.constraint or f"one of {', '.join(self.allowed)}"
            raise SettingsInvalid(f"parameter {self.name} is not valid: it must be {wanted}")


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
    )


def given(text: str, known: Mapping[str, Parameter], *, origin: str) -> dict[str, str]:
    """Return the values of a file, `Name: value` in YAML or JSON. Raises SettingsInvalid, which repeats none of them."""
    try:
        found = yaml.safe_load(text)
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
