"""What a value may be, said in our words: Typer speaks of types and ranges (`'fast' is not a valid float range`)."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperOption

from b2bpilot.errors import UsageError

if TYPE_CHECKING:
    from typer._click import Parameter
else:
    Parameter = Any

NUMBERS = {"int": "a whole number", "float": "a number"}


def say_plainly(parameter: Parameter) -> None:
    """Let the parameter refuse a number or a choice by saying what was given and what is allowed."""
    allowed = _allowed(parameter.type)
    if not allowed:
        return
    kind: Any = copy.copy(parameter.type)
    name, asked = _name(parameter), kind.convert

    def convert(value: Any, param: Any, ctx: Any) -> Any:
        try:
            found = asked(value, param, ctx)
        except typer.BadParameter as exc:
            raise UsageError(f"{name}: {str(value)!r} must be {allowed}") from exc
        if isinstance(found, float) and not math.isfinite(found):
            raise UsageError(f"{name}: {str(value)!r} must be {allowed}")
        return found

    kind.convert = convert
    kind._describe_range = lambda: _limits(kind).removeprefix("of ")  # noqa: SLF001  # what help shows in brackets
    parameter.type = kind


def _name(parameter: Parameter) -> str:
    if isinstance(parameter, TyperOption):
        return parameter.opts[0]
    return parameter.human_readable_name.strip("[].")


def _allowed(kind: Any) -> str:
    if choices := getattr(kind, "choices", None):
        return f"one of {', '.join(map(str, choices))}"
    number = NUMBERS.get(kind.name.removesuffix(" range"))
    return f"{number} {_from(kind)}".rstrip() if number else ""


def _from(kind: Any) -> str:
    limits = _limits(kind)
    return f"from {limits}" if " to " in limits else limits


def _limits(kind: Any) -> str:
    least, most = getattr(kind, "min", None), getattr(kind, "max", None)
    if least is not None and most is not None:
        return f"{least:,} to {most:,}"
    if least is not None:
        return f"of at least {least:,}"
    return "" if most is None else f"of at most {most:,}"
