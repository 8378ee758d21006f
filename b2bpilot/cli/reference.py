"""docs/commands.md, made from the commands themselves: what `--help` says, on one page.

`python -m b2bpilot.cli.reference` writes it into a checkout; a test says when it is not current.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup, TyperOption

from b2bpilot.cli.app import program
from b2bpilot.cli.frame.commands import EXAMPLE, is_global
from b2bpilot.ops.verify.documents import prose

if TYPE_CHECKING:
    from typer._click import Command as AnyCommand
    from typer._click import Parameter
else:
    AnyCommand = Parameter = Any

COMMANDS = Path(__file__).parents[2] / "docs" / "commands.md"
HEAD = """\
# Commands

Made by `make docs` from the commands themselves; do not edit. `b2bpilot COMMAND --help` says the same. Every
command also takes the [global options](#global-options), anywhere on its line. [configuration.md](configuration.md) has
the exit codes.
"""


def reference() -> str:
    """Return the text of docs/commands.md."""
    root = typer.Context(program(), info_name="b2bpilot")
    lines = [HEAD, *_contents(root), "\n## Global options\n", *_options(root)]
    for context in _commands(root):
        lines += _command(context)
    return "\n".join(lines).rstrip() + "\n"


def _contents(root: typer.Context) -> Iterator[str]:
    yield "| command | what it does |"
    yield "|---|---|"
    for context in _commands(root):
        path = context.command_path
        yield f"| [`{path}`](#{path.replace(' ', '-')}) | {_escaped(_paragraphs(context.command)[0])} |"


def _commands(parent: typer.Context) -> Iterator[typer.Context]:
    """Each command below, with its words; a group that does something of its own is one, too."""
    group = parent.command
    assert isinstance(group, TyperGroup)  # noqa: S101  # nosec B101  # the caller looked
    for word, command in group.commands.items():
        context = typer.Context(command, info_name=word, parent=parent)
        if not isinstance(command, TyperGroup):
            yield context
            continue
        if command.invoke_without_command:
            yield context
        yield from _commands(context)


def _command(context: typer.Context) -> Iterator[str]:
    yield f"\n## {context.command_path}"
    yield f"\n    {' '.join([context.command_path, *context.command.collect_usage_pieces(context)])}"
    for paragraph in _paragraphs(context.command):
        example = paragraph.removeprefix(EXAMPLE)
        yield f"\n{prose(paragraph)}" if example == paragraph else f"\n    {example}"
    if options := _options(context):
        yield from ("", *options)


def _paragraphs(command: AnyCommand) -> list[str]:
    return [" ".join(paragraph.split()) for paragraph in (command.help or "").split("\n\n")]


def _options(context: typer.Context) -> Sequence[str]:
    """Those that all have stand with the program, and nowhere else."""
    own = (param for param in context.command.get_params(context) if not _is_given_to_all(param, context))
    records = (param.get_help_record(context) for param in own)
    rows = [f"| `{_escaped(names)}` | {_escaped(meaning)} |" for names, meaning in filter(None, records)]
    return ["| option | meaning |", "|---|---|", *rows] if rows else []


def _is_given_to_all(param: Parameter, context: typer.Context) -> bool:
    return param.name == "help" or (
        context.parent is not None and isinstance(param, TyperOption) and is_global(param)
    )


def _escaped(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def write(path: Path = COMMANDS) -> None:
    path.write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    write()
