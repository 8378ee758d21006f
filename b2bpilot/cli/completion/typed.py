"""What stands before the cursor: read as the parser would, and forgiven what the parser would refuse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperArgument, TyperGroup, TyperOption

from b2bpilot.cli.frame.commands import GLOBAL, LEFT_OUT, LOOKS_LIKE_DURATION, is_global

if TYPE_CHECKING:
    from typer._click import Command as AnyCommand

    from b2bpilot.cli.frame.context import Pilot
else:
    AnyCommand = Any


@dataclass(slots=True, kw_only=True)
class TypedLine:
    """`context` is the innermost command's; the Pilot has the global options that were typed so far."""

    context: typer.Context
    pending: TyperOption | None = None
    """The option whose value comes next."""
    arguments: int = 0
    given: set[str] = field(default_factory=set)
    """The options of this command that were typed."""
    is_over: bool = False
    """After `--`, what begins with a dash is no option."""
    is_lost: bool = False
    """A word is no command of ours: nobody knows what may follow it."""

    @property
    def options(self) -> list[TyperOption]:
        return [one for one in self.context.command.get_params(self.context) if isinstance(one, TyperOption)]

    @property
    def argument(self) -> TyperArgument | None:
        """The argument that comes next."""
        parameters = self.context.command.get_params(self.context)
        before = self.arguments
        for one in (each for each in parameters if isinstance(each, TyperArgument)):
            if one.nargs == -1 or before < one.nargs:
                return one
            before -= one.nargs
        return None

    def option(self, flag: str) -> TyperOption | None:
        found = (one for one in self.options if flag in (*one.opts, *one.secondary_opts))
        return next(found, None)


def read(program: AnyCommand, words: Sequence[str], *, pilot: Pilot) -> TypedLine:
    """Read the words before the one that is being typed. Loads the commands that are named, and no other."""
    line = TypedLine(context=typer.Context(program, info_name="b2bpilot", obj=pilot))
    for word in words:
        _take(line, word)
    return line


def _take(line: TypedLine, word: str) -> None:
    if line.pending is not None and is_value(line.pending, word):
        _give(line, line.pending, word)
        line.pending = None
    elif word == "--" and not line.is_over:
        line.is_over = True
    elif word.startswith("-") and word != "-" and not line.is_over:
        line.pending = None
        _take_option(line, word)
    else:
        line.pending = None
        _take_word(line, word)


def is_value(option: TyperOption, word: str) -> bool:
    """An option whose value may be left out takes a duration only."""
    return not (set(option.opts) & LEFT_OUT.keys()) or bool(LOOKS_LIKE_DURATION.match(word))


def _take_option(line: TypedLine, word: str) -> None:
    if word.startswith("--"):
        flag, attached, value = word.partition("=")
    else:
        flag, value = word[:2], word[2:]
        attached = value
    option = line.option(flag)
    if option is None:
        return
    if option.is_flag:
        line.given.add(flag_name(option))
    elif attached:
        _give(line, option, value)
    else:
        line.pending = option


def _give(line: TypedLine, option: TyperOption, value: str) -> None:
    name = flag_name(option)
    line.given.add(name)
    if is_global(option):
        line.context.obj.given[name.removeprefix(GLOBAL)] = value


def _take_word(line: TypedLine, word: str) -> None:
    group = line.context.command
    if not isinstance(group, TyperGroup):
        line.arguments += 1
        return
    command = group.get_command(line.context, word)
    if command is None:
        line.is_lost = True
        return
    line.context = typer.Context(command, info_name=word, parent=line.context, obj=line.context.obj)
    line.given, line.arguments = set(), 0


def flag_name(option: TyperOption) -> str:
    return option.name or ""
