"""A team's folder, as `subscribers new` makes it: read and judged before anything is started."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from b2bpilot.advice import our_command
from b2bpilot.errors import SettingsInvalid, UsageError
from b2bpilot.ops.subscribers.names import require_name, suffix, topic_export
from b2bpilot.ops.verify.template import parse

TEMPLATE = "template.yaml"
SUFFIX = suffix("${Environment}")
ENVIRONMENT_PARAMETER, DATABASE_PARAMETER = "Environment", "DatabaseSecretArn"
"""What a subscriber's template is given here."""
MAKE_ONE = "make one with " + our_command("subscribers", "new", "NAME")
FUNCTIONS = ("AWS::Serverless::Function", "AWS::Lambda::Function")
PYTHON = "python"
QUEUE = "AWS::SQS::Queue"
TOPIC_EXPORT = topic_export("${Environment}")
"""What a subscriber's template imports (decision 38)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberFolder:
    """`code`: where a function's code is, by its handler. `parameters`: what the template takes."""

    name: str
    path: Path
    template: str = field(repr=False)
    code: Mapping[str, Path] = field(repr=False)
    parameters: frozenset[str] = field(repr=False)

    @property
    def packages(self) -> Path | None:
        """What `make test` has installed there, if it was for this version of Python."""
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        found = self.path / ".venv" / "lib" / version / "site-packages"
        return found if found.is_dir() else None


def read_folders(paths: Sequence[Path]) -> tuple[SubscriberFolder, ...]:
    """Raises SettingsInvalid, in one line, for the first that cannot be deployed."""
    found: list[SubscriberFolder] = []
    for path in paths:
        folder = _read(path.expanduser().resolve())
        for other in found:
            _require_apart(folder, other)
        found.append(folder)
    return tuple(found)


def _require_apart(folder: SubscriberFolder, other: SubscriberFolder) -> None:
    if folder.path == other.path:
        raise SettingsInvalid(f"{folder.path} is named twice", hint="name each subscriber's folder once")
    if folder.path in other.path.parents or other.path in folder.path.parents:
        inner, outer = sorted((folder.path, other.path), key=lambda path: len(path.parts), reverse=True)
        raise SettingsInvalid(f"{inner} is inside {outer}", hint="give each subscriber a folder of its own")
    if folder.name == other.name:
        raise SettingsInvalid(
            f"{other.path} and {folder.path} are both the subscriber {folder.name}",
            hint="leave one of them out, or give one another name",
        )


def _read(path: Path) -> SubscriberFolder:
    text = _text(path)
    template = _parsed(path, text)
    name = _name(path, template)
    return SubscriberFolder(
        name=name,
        path=path,
        template=text,
        code=dict(_code(path, template)),
        parameters=_parameters(path, template),
    )


def _text(path: Path) -> str:
    if not path.is_dir():
        raise SettingsInvalid(f"{path} is no folder", hint=MAKE_ONE)
    try:
        return (path / TEMPLATE).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsInvalid(f"{path} has no {TEMPLATE}", hint=MAKE_ONE) from None
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsInvalid(f"{path / TEMPLATE} cannot be read: {_reason(exc)}") from exc


def _reason(exc: Exception) -> str:
    return exc.strerror or str(exc) if isinstance(exc, OSError) else "it is not UTF-8"


def _parsed(path: Path, text: str) -> Mapping[str, Any]:
    try:
        return parse(text)
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise SettingsInvalid(f"{path / TEMPLATE} is not YAML{where}") from exc


def _section(template: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = template.get(name)
    return found if isinstance(found, Mapping) else {}


def _resources(template: Mapping[str, Any], *types: str) -> Iterator[Mapping[str, Any]]:
    """The properties of the resources of these types."""
    for resource in _section(template, "Resources").values():
        if isinstance(resource, Mapping) and resource.get("Type") in types:
            yield _section(resource, "Properties")


def _name(path: Path, template: Mapping[str, Any]) -> str:
    """The one that its function or its queue has before `-b2b-pilot-ENV`."""
    if TOPIC_EXPORT not in set(_imports(template)):
        raise SettingsInvalid(
            f"{path / TEMPLATE} is no subscriber's: it does not import {TOPIC_EXPORT}", hint=MAKE_ONE
        )
    names = {_before_suffix(found.get("FunctionName")) for found in _resources(template, *FUNCTIONS)}
    names |= {_before_suffix(found.get("QueueName")) for found in _resources(template, QUEUE)}
    known = sorted(name for name in names if name is not None)
    if not known:
        raise SettingsInvalid(
            f"{path / TEMPLATE} is no subscriber's: no function or queue is named NAME{SUFFIX}",
            hint=MAKE_ONE,
        )
    for name in known:
        try:
            require_name(name)
        except UsageError as exc:
            raise SettingsInvalid(f"{path / TEMPLATE}: {exc}", hint=exc.hint) from exc
    if len(known) > 1:
        raise SettingsInvalid(f"{path / TEMPLATE} names more than one subscriber: {', '.join(known)}")
    return known[0]


def _parameters(path: Path, template: Mapping[str, Any]) -> frozenset[str]:
    found = _section(template, "Parameters")
    missing = sorted(
        name
        for name, said in found.items()
        if name not in (ENVIRONMENT_PARAMETER, DATABASE_PARAMETER)
        and not (isinstance(said, Mapping) and "Default" in said)
    )
    if missing:
        raise SettingsInvalid(
            f"{path / TEMPLATE} needs parameters that are not known here: {', '.join(missing)}",
            hint="give each of them a Default",
        )
    return frozenset(found)


def _before_suffix(name: Any) -> str | None:
    text = name.get("Fn::Sub") if isinstance(name, Mapping) else name
    return text.removesuffix(SUFFIX) if isinstance(text, str) and text.endswith(SUFFIX) else None


def _imports(node: Any) -> Iterator[str]:
    """Every name that an Fn::ImportValue has, with `${Environment}` as it is written."""
    if isinstance(node, Mapping):
        if "Fn::ImportValue" in node:
            yield str(_text_of(node["Fn::ImportValue"]))
        for value in node.values():
            yield from _imports(value)
    elif isinstance(node, list):
        for value in node:
            yield from _imports(value)


def _text_of(argument: Any) -> Any:
    return argument.get("Fn::Sub") if isinstance(argument, Mapping) else argument


def _code(path: Path, template: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    """Handlers, and the folder that each is imported from. Raises SettingsInvalid."""
    common = _section(_section(template, "Globals"), "Function")
    found: dict[str, Path] = {}
    for function in _resources(template, *FUNCTIONS):
        said = {**common, **function}
        handler, uri = said.get("Handler"), said.get("CodeUri", ".")
        folder = (path / uri if isinstance(uri, str) else path).resolve()
        if what := _unfit(handler, folder, str(said.get("Runtime", PYTHON)), found):
            raise SettingsInvalid(f"{path / TEMPLATE} cannot be run here: {what}")
        found[str(handler)] = folder
    yield from found.items()


def _unfit(handler: Any, folder: Path, runtime: str, found: Mapping[str, Path]) -> str | None:
    """Why a function cannot be run, if it cannot."""
    if not isinstance(handler, str):
        return "a function has no Handler"
    if not runtime.startswith(PYTHON):
        return f"the runtime of {handler} is {runtime}, not {PYTHON}"
    if not folder.is_dir():
        return f"its code {folder} is no folder"
    return None if found.get(handler, folder) == folder else f"two functions have the handler {handler}"
