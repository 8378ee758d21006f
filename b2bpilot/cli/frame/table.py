"""The commands of a group, each loaded and built when it is called: nine in ten starts need one of them."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import typer
from typer.core import TyperGroup

from b2bpilot.cli.frame.commands import PilotCommand, PilotGroup
from b2bpilot.cli.frame.given import say_plainly

if TYPE_CHECKING:
    from typer._click import Command as AnyCommand
else:
    AnyCommand = Any


@dataclass(frozen=True, slots=True)
class CommandPath:
    """Where a command's function, or a group, is defined: `module:attribute`; and what lists say of it, on one line."""

    name: str
    summary: str
    cls: type[PilotCommand] = PilotCommand
    views: tuple[str, ...] = ()
    """Forms of the output that only this command has."""

    def load(self) -> Any:
        return pkgutil.resolve_name(self.name)


class CommandTable(Mapping[str, AnyCommand]):
    """By the word that is typed, in the order of the help. What was built once stays. `former` names of commands work
    the same, and stand in no help."""

    def __init__(self, places: Mapping[str, CommandPath], former: Mapping[str, str]) -> None:
        self._places = places
        self._former = former
        self._built: dict[str, AnyCommand] = {}

    def __getitem__(self, typed: str) -> AnyCommand:
        word = self._former.get(typed, typed)
        if word not in self._built:
            self._built[word] = _built(word, self._places[word])
        return self._built[word]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def group(
    declared: typer.Typer, places: Mapping[str, CommandPath], former: Mapping[str, str] | None = None
) -> PilotGroup:
    """Return what `declared` says of itself, with these commands; `former` has the present name of each former one."""
    found = cast("PilotGroup", typer.main.get_group(declared))
    found.commands = CommandTable(places, former or {})  # type: ignore[assignment]  # nobody adds a command to it
    found.summaries = {word: place.summary for word, place in places.items()}
    return found


def _built(word: str, place: CommandPath) -> AnyCommand:
    loaded = place.load()
    return loaded if isinstance(loaded, TyperGroup) else _command(word, loaded, place)


def _command(word: str, function: Callable[..., None], place: CommandPath) -> AnyCommand:
    only = typer.Typer(add_completion=False, rich_markup_mode=None)
    only.command(word, cls=place.cls)(function)
    command = cast("PilotCommand", typer.main.get_command(only))
    command.views = place.views
    for parameter in command.params:
        say_plainly(parameter)
    return command
