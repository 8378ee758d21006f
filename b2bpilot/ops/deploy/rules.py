"""The template's Rules, asked before anything is built: CloudFormation would say the same some minutes later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from b2bpilot.errors import SettingsInvalid

REGION = "AWS::Region"
"""Not a parameter, but a value that rules may ask for, too (docs/aws-facts.md#rules-and-regions)."""


class Unknown(Exception):
    """A function that is not known here: CloudFormation judges it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """What an assertion says, and the parameters that it asks."""

    text: str
    names: frozenset[str]


def broken(template: Mapping[str, Any], values: Mapping[str, str]) -> list[Broken]:
    """Return the assertions that do not hold. A parameter that has no value has its default."""
    defaults = {name: str(each.get("Default", "")) for name, each in template["Parameters"].items()}
    known = {**defaults, **values}
    return [found for rule in template.get("Rules", {}).values() for found in _broken(rule, known)]


def require(template: Mapping[str, Any], values: Mapping[str, str], *, region: str) -> None:
    """Raises SettingsInvalid."""
    if found := broken(template, {**values, REGION: region}):
        raise SettingsInvalid(
            f"the parameters contradict each other: {'; '.join(each.text for each in found)}",
            hint="give it with --parameters FILE, one `Name: value` per line",
        )


def _broken(rule: Mapping[str, Any], values: Mapping[str, str]) -> Iterator[Broken]:
    try:
        if not _holds(rule.get("RuleCondition", True), values):
            return
        for each in rule["Assertions"]:
            if not _holds(each["Assert"], values):
                yield Broken(text=each["AssertDescription"], names=frozenset(_names(each["Assert"])))
    except Unknown:
        return


def _holds(node: Any, values: Mapping[str, str]) -> bool:
    if isinstance(node, bool):
        return node
    ((function, operands),) = node.items()
    match function:
        case "Fn::Not":
            return not _holds(operands[0], values)
        case "Fn::And" | "Fn::Or":
            join = all if function == "Fn::And" else any
            return join(_holds(each, values) for each in operands)
        case "Fn::Equals":
            return _value(operands[0], values) == _value(operands[1], values)
        case "Fn::Contains":
            return _value(operands[1], values) in [_value(each, values) for each in operands[0]]
        case "Fn::EachMemberEquals":
            return all(each == operands[1] for each in _value(operands[0], values).split(","))
    raise Unknown(function)


def _value(node: Any, values: Mapping[str, str]) -> str:
    if isinstance(node, dict):
        name = node.get("Ref")
        if name is None or name not in values:
            raise Unknown(str(node))
        return values[name]
    return str(node)


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from [value] if key == "Ref" else _names(value)
    elif isinstance(node, list):
        for each in node:
            yield from _names(each)
