"""PilotCommand and group classes that take the global options anywhere on the line, and a value that may be left out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from b2bpilot import __version__
from b2bpilot.advice import OF_THE_MACHINE
from b2bpilot.cli.frame import values
from b2bpilot.cli.frame.settings import SETTINGS, Setting
from b2bpilot.errors import UsageError

if TYPE_CHECKING:
    from typer._click import HelpFormatter, Parameter
else:
    HelpFormatter = Parameter = Any

LOOKS_LIKE_DURATION = re.compile(r"\d")
LEFT_OUT = {"--wait": "30s"}
"""Options whose value may be left out, and what it is then."""
HELP = ("-h", "--help")
EXAMPLE = "Example: "
"""What the paragraph of a help begins with that has a command to be pasted."""
GLOBAL = "global_"
"""What the parameters of the global options begin with."""


class PilotCommand(TyperCommand):
    """A command that also takes the global options; its help has --env, and names the others in one line."""

    views: tuple[str, ...] = ()
    """Forms of the output that only this command has."""

    def get_params(self, ctx: typer.Context) -> list[Parameter]:  # type: ignore[override]  # typer re-exports Context
        return [*super().get_params(ctx), *_options(ctx)]

    def get_help_option_names(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002  # as above
        """Whatever context asks first: the option is made once."""
        return list(HELP)

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # as above
        ctx.allow_extra_args = True
        left = super().parse_args(ctx, with_left_out_values(args))
        if left and not ctx.resilient_parsing:
            what = "arguments" if len(left) > 1 else "argument"
            raise UsageError(f"unexpected {what}: {' '.join(left)}", hint=f"see `{ctx.command_path} --help`")
        if not ctx.resilient_parsing:
            _require_paths(self.params, ctx.params)
        return left

    def format_help_text(self, ctx: typer.Context, formatter: HelpFormatter) -> None:  # type: ignore[override]  # noqa: ARG002  # as above
        _write_help_text(self.help or "", formatter)

    def format_epilog(self, ctx: typer.Context, formatter: HelpFormatter) -> None:  # type: ignore[override]  # as above
        super().format_epilog(ctx, formatter)
        _write_global_options_line(formatter)


class PilotGroup(TyperGroup):
    """A group of commands; the root of all shows the global options in full."""

    summaries: Mapping[str, str] = {}
    """What each of its commands is for: listing them loads none."""

    def get_params(self, ctx: typer.Context) -> list[Parameter]:  # type: ignore[override]  # as above
        return [*super().get_params(ctx), *_options(ctx)]

    def get_help_option_names(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002  # as above
        """Whatever context asks first: the option is made once."""
        return list(HELP)

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # as above
        if not args and not ctx.resilient_parsing:
            typer.echo(ctx.get_help(), err=True)
            raise typer.Exit(2)
        return super().parse_args(ctx, args)

    def format_help_text(self, ctx: typer.Context, formatter: HelpFormatter) -> None:  # type: ignore[override]  # as above
        """At the root nothing but the commands may take room: all of it fits a screen of forty rows."""
        _write_help_text(self.help or "", formatter, is_apart=ctx.parent is not None)

    def format_options(self, ctx: typer.Context, formatter: HelpFormatter) -> None:  # type: ignore[override]  # as above
        """At the root the commands come first: they are what is looked for."""
        if ctx.parent is None:
            self.format_commands(ctx, formatter)
            TyperCommand.format_options(self, ctx, formatter)  # type: ignore[arg-type]  # it needs no more than a group has
        else:
            super().format_options(ctx, formatter)

    def format_commands(self, ctx: typer.Context, formatter: HelpFormatter) -> None:  # type: ignore[override]  # noqa: ARG002  # as above
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries.items()))

    def format_epilog(self, ctx: typer.Context, formatter: HelpFormatter) -> None:  # type: ignore[override]  # as above
        super().format_epilog(ctx, formatter)
        if ctx.parent is not None:
            _write_global_options_line(formatter)


def with_left_out_values(args: list[str]) -> list[str]:
    """Give an option that stands without its value the value of LEFT_OUT."""
    completed: list[str] = []
    for place, argument in enumerate(args):
        completed.append(argument)
        following = args[place + 1] if place + 1 < len(args) else ""
        if argument in LEFT_OUT and not LOOKS_LIKE_DURATION.match(following):
            completed.append(LEFT_OUT[argument])
    return completed


def _require_paths(options: Iterable[Parameter], given: Mapping[str, Any]) -> None:
    """What a variable that is not set leaves is no path; Path would call it this folder. Raises UsageError."""
    for one in options:
        value = given.get(one.name or "")
        if one.type.name == "path" and "" in (value if isinstance(value, (list, tuple)) else [value]):
            raise UsageError(f"{one.opts[0]} is empty", hint="name a path, or leave it out")


def print_version(value: bool) -> None:
    if value:
        typer.echo(f"b2bpilot {__version__}")
        raise typer.Exit


def is_global(option: TyperOption) -> bool:
    return (option.name or "").startswith(GLOBAL)


def _options(ctx: typer.Context) -> list[Parameter]:
    """The root's help shows all, every other --env: but for commands that concern this machine alone."""
    shown = {setting.name for setting in SETTINGS} if ctx.parent is None else _shown(ctx)
    return [_option(setting, hidden=setting.name not in shown) for setting in SETTINGS]


def _shown(ctx: typer.Context) -> set[str]:
    words = _words(ctx)
    return set() if any(words == name[: len(words)] for name in OF_THE_MACHINE) else {"env"}


def _words(ctx: typer.Context) -> tuple[str, ...]:
    """What was typed for the command. Not its `command_path`, which asks for these parameters."""
    words: list[str] = []
    at = ctx
    while at.parent is not None:
        words.insert(0, at.info_name or "")
        at = at.parent  # type: ignore[assignment]  # typer re-exports Context
    return tuple(words)


def _option(setting: Setting, *, hidden: bool) -> TyperOption:
    """`given` collects the values of every level; the same option again, further right, wins."""
    switch = setting.metavar is None
    known = values.OF_SETTINGS.get(setting.name)

    def collect(ctx: typer.Context, _: Parameter, value: str | bool | None) -> None:
        if value is not None and value is not False:
            ctx.obj.give(setting.name, value)

    return TyperOption(
        param_decls=[f"{GLOBAL}{setting.name}", *setting.flags],
        is_flag=switch,
        default=False if switch else None,
        metavar=setting.metavar,
        help="  ".join([setting.help, *(f"[{name}]" for name in setting.variables[:1])]),
        hidden=hidden,
        expose_value=False,
        callback=collect,
        autocompletion=values.directly(known) if known else None,
    )


def _write_help_text(text: str, formatter: HelpFormatter, *, is_apart: bool = True) -> None:
    """The example stands on a line of its own, however narrow the terminal is: broken, it could not be pasted."""
    told, example, command = text.partition(f"\n\n{EXAMPLE}")
    if is_apart:
        formatter.write_paragraph()
    with formatter.indentation():
        formatter.write_text(told)
        if example:
            indent = " " * (formatter.current_indent + formatter.indent_increment)
            formatter.write(f"\n  {EXAMPLE.strip()}\n{indent}{' '.join(command.split())}\n")


def _write_global_options_line(formatter: HelpFormatter) -> None:
    flags = ", ".join("/".join(reversed(setting.flags)) for setting in SETTINGS)
    with formatter.section("Global options"):
        formatter.write_text(f"{flags}: see b2bpilot --help")
