"""What CloudFormation makes of the template's conditions for given parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

GONE = object()
"""What `AWS::NoValue` leaves."""


class Evaluation:
    """The template with parameters; those that are not given have their defaults."""

    def __init__(self, template: Mapping[str, Any], **given: str) -> None:
        defaults = {name: str(each.get("Default", "")) for name, each in template["Parameters"].items()}
        self._template = template
        self._parameters = defaults | given

    def of(self, value: Any) -> Any:
        """Return the value with its `!If`s decided; references to resources stay as they are."""
        match value:
            case {"Fn::If": [str(condition), so, otherwise]}:
                return self.of(so if self.holds(condition) else otherwise)
            case {"Ref": "AWS::NoValue"}:
                return GONE
            case {"Ref": str(name)} if name in self._parameters:
                return self._parameters[name]
            case dict():
                decided = {name: self.of(each) for name, each in value.items()}
                return {name: each for name, each in decided.items() if each is not GONE}
            case list():
                return [each for each in map(self.of, value) if each is not GONE]
        return value

    def resource(self, name: str) -> Any:
        """Return the properties of a resource; None when its condition does not hold."""
        found = self._template["Resources"][name]
        if "Condition" in found and not self.holds(found["Condition"]):
            return None
        return self.of(found["Properties"])

    def holds(self, condition: str) -> bool:
        return self._is_true(self._template["Conditions"][condition])

    def _is_true(self, expression: Mapping[str, Any]) -> bool:
        ((name, operands),) = expression.items()
        return OPERATORS[name](self, operands)


OPERATORS: Mapping[str, Callable[[Evaluation, Any], bool]] = {
    "Fn::Equals": lambda at, pair: at.of(pair[0]) == at.of(pair[1]),
    "Fn::Not": lambda at, one: not at._is_true(one[0]),
    "Fn::And": lambda at, several: all(map(at._is_true, several)),
    "Fn::Or": lambda at, several: any(map(at._is_true, several)),
}
