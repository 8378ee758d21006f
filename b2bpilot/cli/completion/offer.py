"""What may stand at the cursor."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from typer.core import TyperOption

from b2bpilot.cli.completion.typed import TypedLine, flag_name, is_value, read
from b2bpilot.cli.frame.commands import PilotGroup, is_global

if TYPE_CHECKING:
    from typer._click import Command as AnyCommand
    from typer._click import Parameter

    from b2bpilot.cli.frame.context import Pilot
else:
    AnyCommand = Parameter = Any


@dataclass(frozen=True, slots=True)
class Candidate:
    """A word that may stand there, and what it means."""

    value: str
    help: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """`are_files`: the shell itself knows best which files there are."""

    candidates: Sequence[Candidate] = ()
    before: str = ""
    """What of the word stands before the candidates: `--env=` where the value is joined to the option."""
    are_files: bool = False


NOTHING = Offer()


def offer(program: AnyCommand, words: Sequence[str], incomplete: str, *, pilot: Pilot) -> Offer:
    """Return what may replace `incomplete` after `words`."""
    line = read(program, words, pilot=pilot)
    if line.is_lost:
        return NOTHING
    begins_option = incomplete.startswith("-") and not line.is_over
    if line.pending is not None and not begins_option and is_value(line.pending, incomplete):
        return _values(line, line.pending, incomplete)
    if begins_option:
        flag, joined, value = incomplete.partition("=")
        option = line.option(flag) if joined and flag.startswith("--") else None
        return _values(line, option, value, before=f"{flag}=") if option else _flags(line, incomplete)
    return _words(line, incomplete)


def _words(line: TypedLine, incomplete: str) -> Offer:
    """A command or an argument; where none is awaited, the options that are left."""
    command = line.context.command
    if isinstance(command, PilotGroup):
        found = (Candidate(word, summary) for word, summary in command.summaries.items())
        return Offer(candidates=_beginning(found, incomplete))
    if (argument := line.argument) is not None:
        return _values(line, argument, incomplete)
    return NOTHING if incomplete or line.is_over else _flags(line, "--")


def _flags(line: TypedLine, incomplete: str) -> Offer:
    own = [option for option in line.options if not is_global(option) and not option.hidden]
    of_all = [option for option in line.options if is_global(option)]
    found = (
        Candidate(flag, _first_sentence(option))
        for option in (*own, *of_all)
        if option.multiple or flag_name(option) not in line.given
        for flag in (*option.opts, *option.secondary_opts)
    )
    return Offer(candidates=_beginning(found, incomplete))


def _values(line: TypedLine, parameter: Parameter, incomplete: str, *, before: str = "") -> Offer:
    """Where a file is one of several things that may stand there, it is offered when nothing else fits."""
    found = parameter.shell_complete(line.context, incomplete)
    is_file = any(word in (parameter.metavar or "") for word in ("FILE", "PATH"))
    candidates = [Candidate(one.value, one.help or "") for one in found]
    return Offer(candidates=candidates, before=before, are_files=is_file and not found)


def _beginning(found: Iterable[Candidate], text: str) -> list[Candidate]:
    return [one for one in found if one.value.startswith(text)]


def _first_sentence(option: TyperOption) -> str:
    return (option.help or "").partition("  [")[0].partition(". ")[0].rstrip(".")
