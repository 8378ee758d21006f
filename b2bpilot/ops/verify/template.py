"""Comparing two templates: what they make, whatever a tool did to their spelling on the way."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

DIGITS = 12
COMPARED = ("Parameters", "Conditions", "Globals", "Resources", "Outputs")
"""Rules only admit a deploy, and Metadata is for consoles."""
REPLACED = frozenset({"CodeUri", "Metadata"})
"""`sam deploy` puts the uploaded artifact here, and notes of its own."""


def parse(text: str) -> Mapping[str, Any]:
    """Return a template's content; its short forms, such as `!Ref`, as their long ones."""

    # The one in C, where PyYAML has it: ten times as fast.
    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # known when it runs
        """Reads the tags of CloudFormation; a class of its own, because constructors are kept in it."""

    Loader.add_multi_constructor("!", _long_form)
    document = yaml.load(text, Loader)  # noqa: S506  # nosec B506  # a safe loader, with our tags
    return document if isinstance(document, dict) else {}


def differences(deployed: Mapping[str, Any], ours: Mapping[str, Any]) -> list[str]:
    """Return the paths at which they differ, such as `Resources.MessageTopic.Properties.TopicName`."""
    return [path for part in COMPARED for path in _differing(part, deployed.get(part), ours.get(part))]


def digest(template: Mapping[str, Any]) -> str:
    """Return a short name of what `differences` compares: equal for two templates that do not differ."""
    compared = _canonical({part: template.get(part) for part in COMPARED})
    return hashlib.sha256(json.dumps(compared, sort_keys=True, default=str).encode()).hexdigest()[:DIGITS]


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _canonical(each) for name, each in value.items() if name not in REPLACED}
    return [_canonical(each) for each in value] if isinstance(value, list) else _plain(value)


def _differing(path: str, theirs: Any, ours: Any) -> Iterator[str]:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for name in dict.fromkeys((*theirs, *ours)):
            if name not in REPLACED:
                yield from _differing(f"{path}.{name}", theirs.get(name), ours.get(name))
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for place, (one, other) in enumerate(zip(theirs, ours, strict=True)):
            yield from _differing(f"{path}.{place}", one, other)
    elif _plain(theirs) != _plain(ours):
        yield path


def _plain(value: Any) -> Any:
    """A tool may write 60 for "60", and True for "true"."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _long_form(loader: Any, suffix: str, node: Any) -> dict[str, Any]:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    match node.id:
        case "scalar":
            value: Any = loader.construct_scalar(node)
        case "sequence":
            value = loader.construct_sequence(node, deep=True)
        case _:
            value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name: value}
