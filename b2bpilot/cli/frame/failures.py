"""Errors as the command line shows them, and the exit codes they end with."""

from __future__ import annotations

import traceback
from collections.abc import Sequence

import typer
from typer.exceptions import TyperException

from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.frame.settings import Color, Format
from b2bpilot.cli.output import ShownError
from b2bpilot.errors import PilotError, SettingsInvalid

FAILED, USAGE, REFUSED, INTERRUPTED = 1, 2, 5, 130


def failure_of(exc: BaseException, *, verbose: bool) -> ShownError:
    """Return what to show for an exception; a traceback only if `verbose`, and not where the operator is to act."""
    is_ours_to_explain = isinstance(exc, PilotError) and exc.exit_code in (USAGE, REFUSED)
    details = "".join(traceback.format_exception(exc)) if verbose and not is_ours_to_explain else None
    match exc:
        case PilotError():
            return ShownError(
                code=exc.code, message=str(exc), hint=exc.hint, exit_code=exc.exit_code, details=details
            )
        case TyperException():
            return _usage(exc)
        case typer.Abort():
            return ShownError(code="refused", message="not confirmed", hint=None, exit_code=REFUSED)
    hint = None if verbose else "run it again with --verbose to see the traceback"
    text = f"unexpected {type(exc).__name__}: {exc}"
    return ShownError(code="unexpected", message=text, hint=hint, exit_code=FAILED, details=details)


def interrupted() -> ShownError:
    return ShownError(code="interrupted", message="interrupted", hint=None, exit_code=INTERRUPTED)


def is_verbose(arguments: Sequence[str], pilot: Pilot) -> bool:
    return "verbose" in pilot.given or "--verbose" in arguments or "-v" in arguments


def wanted_format(arguments: Sequence[str], pilot: Pilot) -> Format:
    """Return the form of an error, also for a command line that could not be read to its end. A query that can be used
    implies JSON."""
    named = str(pilot.given.get("output") or _named(arguments, "--output", "-o") or "")
    try:
        found = pilot.resolve({"output": named} if named else {}).output
    except SettingsInvalid:
        found = Format(named) if named in list(Format) else Format.TABLE
    return Format.JSON if pilot.output.query and found is Format.TABLE else found


def wanted_color(arguments: Sequence[str], pilot: Pilot) -> Color:
    """Do for the colour what `wanted_format` does for the form."""
    named = str(pilot.given.get("color") or _named(arguments, "--color") or "")
    try:
        return pilot.resolve({"color": named} if named else {}).color
    except SettingsInvalid:
        return Color(named) if named in list(Color) else Color.AUTO


def _named(arguments: Sequence[str], long: str, short: str = "") -> str | None:
    for flag, value in zip(arguments, [*arguments[1:], ""], strict=True):
        if flag in (long, short):
            return value
        if flag.startswith(f"{long}="):
            return flag.removeprefix(f"{long}=")
        if short and flag.startswith(short):
            return flag.removeprefix(short)
    return None


def _usage(exc: TyperException) -> ShownError:
    context = getattr(exc, "ctx", None)
    hint = f"see `{context.command_path if context else 'b2bpilot'} --help`"
    meant: Sequence[str] = getattr(exc, "possibilities", None) or ()
    said = exc.format_message()
    if option := _unknown_option(exc):
        from b2bpilot.cli.frame.instead import instead_of, is_needless

        said, meant = exc.message, instead_of(option, context)
        hint = "leave it out: this command asks nothing" if is_needless(option, context) else hint
    said = f"{exc.message}. Did you mean {', '.join(meant)}?" if meant else said
    message = " ".join(said.split()).rstrip(".")
    message = message[:1].lower() + message[1:]
    return ShownError(code="usage", message=message, hint=hint, exit_code=USAGE)


def _unknown_option(exc: TyperException) -> str | None:
    """Typer keeps the class to itself: it alone has both."""
    return getattr(exc, "option_name", None) if hasattr(exc, "possibilities") else None
