"""The program: its commands, and the one place where errors become text and exit codes."""

from __future__ import annotations

import contextlib
import functools
import gc
import io
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Annotated

import typer

from b2bpilot.advice import our_command
from b2bpilot.cli.frame.commands import PilotGroup, print_version
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.frame.failures import (
    INTERRUPTED,
    failure_of,
    interrupted,
    is_verbose,
    wanted_color,
    wanted_format,
)
from b2bpilot.cli.frame.table import CommandPath, group
from b2bpilot.cli.frame.values import VARIABLE
from b2bpilot.cli.output import Output, OutputFailed, PipeClosed, QueryFailed, ShownError
from b2bpilot.errors import PartlyFailed
from b2bpilot.pipeline.clock import Machine, machine_time

PIPE_CLOSED = 141
"""128 + SIGPIPE, as a shell says it of a program that was killed by it."""

COMMANDS = {
    "demo": CommandPath(
        "b2bpilot.cli.local.demo:demo", "Run the whole pipeline on this machine and watch messages."
    ),
    "publish": CommandPath(
        "b2bpilot.cli.publish.command:publish", "Publish test messages, one or thousands."
    ),
    "load": CommandPath(
        "b2bpilot.cli.load.command:load", "Send messages from many clients, and prove what became of them."
    ),
    "inspect": CommandPath("b2bpilot.cli.inspect.command:inspect", "Show the whole story of one message."),
    "logs": CommandPath("b2bpilot.cli.logs.command:logs", "Show the functions' log lines, merged by time."),
    "status": CommandPath(
        "b2bpilot.cli.status.command:status", "Show an environment on one screen: what is wrong first."
    ),
    "verify": CommandPath(
        "b2bpilot.cli.verify.command:verify",
        "Check that an environment is deployed correctly and healthy.",
        views=("short", "junit"),
    ),
    "diagnose": CommandPath(
        "b2bpilot.cli.diagnose.command:diagnose", "Find the cause of a symptom, and what to do."
    ),
    "explain": CommandPath(
        "b2bpilot.cli.explain.command:explain", "Explain a check, an alarm, an exit code or an error code."
    ),
    "doctor": CommandPath(
        "b2bpilot.cli.doctor.command:doctor", "Say what is wrong on this machine, and what to do."
    ),
    "config": CommandPath("b2bpilot.cli.config.app:app", "Show each setting, and which source won."),
    "migrate": CommandPath(
        "b2bpilot.cli.migrate.command:migrate", "Bring the table to this version while it is in use."
    ),
    "deploy": CommandPath(
        "b2bpilot.cli.deploy.command:deploy", "Build the functions of this checkout and deploy them."
    ),
    "delivery": CommandPath(
        "b2bpilot.cli.delivery.command:delivery", "Show how messages get to the processor, and change it."
    ),
    "local": CommandPath("b2bpilot.cli.local.app:app", "Run the whole system on this machine."),
    "submissions": CommandPath(
        "b2bpilot.cli.submissions.app:app", "List and show rows of the table, and publish them again."
    ),
    "subscribers": CommandPath(
        "b2bpilot.cli.subscribers.app:app", "List the topic's subscribers and what they receive."
    ),
    "dlq": CommandPath(
        "b2bpilot.cli.dlq.app:app", "List dead letters, find their cause, and send them back."
    ),
    "runs": CommandPath("b2bpilot.cli.runs.app:app", "See what was changed, by whom and why; resume it."),
    "twilio": CommandPath(
        "b2bpilot.cli.twilio.app:app", "See what Twilio received and where it delivers; switch it."
    ),
    "completion": CommandPath(
        "b2bpilot.cli.completion.app:app", "Let Tab complete commands, options and values."
    ),
}

FORMER_NAMES = {"subscriptions": "subscribers"}
"""Names that commands had before, which scripts may still use."""

_root = typer.Typer(
    cls=PilotGroup,
    # typer's own rich help costs more than the rest of the start together, and --help is to be cheap.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _former_install(ctx: typer.Context, value: bool) -> None:
    """What `completion install` was before."""
    if value:
        from b2bpilot.cli.completion.app import install

        install(ctx)
        raise typer.Exit


def _former_show(ctx: typer.Context, value: bool) -> None:
    if value:
        from b2bpilot.cli.completion.app import show

        show(ctx)
        raise typer.Exit


@_root.callback()
def b2bpilot(
    version: Annotated[
        bool,
        typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
    _install: Annotated[
        bool, typer.Option("--install-completion", callback=_former_install, is_eager=True, hidden=True)
    ] = False,
    _show: Annotated[
        bool, typer.Option("--show-completion", callback=_former_show, is_eager=True, hidden=True)
    ] = False,
) -> None:
    """\b
    Operate the b2bpilot pipeline: Twilio webhook, SNS, Lambda, PostgreSQL.
    Exit: 0 ok, 1 failed, 2 usage, 3 found, 4 partial, 5 refused, 130 Ctrl-C
    """


@functools.cache
def program() -> PilotGroup:
    """Return the whole program; its commands are loaded when they are called."""
    return group(_root, COMMANDS, FORMER_NAMES)


def main(argv: Sequence[str] | None = None, *, machine: Machine = machine_time) -> int:
    """Run one command line and return its exit code. A SIGTERM or SIGHUP is a Ctrl-C: what was taken is given back first.

    `machine` is this machine's clock.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _escape_what_the_terminal_cannot_show()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # under nohup it is
        signal.signal(signal.SIGHUP, _interrupt_once)
    pilot = Pilot(environ=os.environ, output=Output(stdout=sys.stdout, stderr=sys.stderr), machine=machine)
    try:
        if instruction := os.environ.get(VARIABLE):
            return _complete(instruction, pilot)
        with contextlib.redirect_stderr(pilot.output.strays()):
            exit_code = _run(arguments, pilot)
        pilot.output.finish()
    except QueryFailed as exc:
        return _unqueried(exc, exit_code, pilot)
    except PipeClosed:
        _forget_stdout()
        return PIPE_CLOSED
    except OutputFailed as exc:
        _forget_stdout()
        return _unwritten(exc, pilot)
    return exit_code


def _interrupt_once(number: int, _: FrameType | None) -> None:
    """The kernel and the shell both tell of a closed terminal: the second time must not stop what is being given back."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _unwritten(exc: OutputFailed, pilot: Pilot) -> int:
    """The work may be done all the same: its journal tells."""
    pilot.output.notice(f"error: the output could not be written: {exc}")
    if pilot.run_id is None:
        return 1
    pilot.output.notice("See what was done: " + our_command("runs", "show", pilot.run_id))
    return PartlyFailed.exit_code


def _unqueried(exc: QueryFailed, exit_code: int, pilot: Pilot) -> int:
    """The work is done, and what came of it was printed; only whoever reads the answer to the query has none."""
    pilot.output.notice(f"error: {exc}")
    pilot.output.notice(
        "hint: the command itself ended with exit code " + f"{exit_code}; its whole output was printed"
    )
    return exit_code or 1


def run() -> None:
    """The console script: one command, then the end of the process.

    The garbage collector finds next to nothing in the big static models of AWS's services; looking less often, and not
    at all when the process ends, takes a third of a second off every command.
    """
    gc.set_threshold(100_000, 50, 50)
    exit_code = main()
    gc.freeze()
    sys.exit(exit_code)


def _run(arguments: list[str], pilot: Pilot) -> int:
    """Typer ends by SystemExit, by a returned code (its Exit and Ctrl-C), or by an exception."""
    try:
        result = program()(args=arguments, prog_name="b2bpilot", standalone_mode=False, obj=pilot)
    except (PipeClosed, OutputFailed, SystemExit):
        raise
    except Exception as exc:  # noqa: BLE001  # the one place where every error is shown
        if isinstance(exc, OSError):
            _require_stdout()
        return _fail(failure_of(exc, verbose=is_verbose(arguments, pilot)), arguments, pilot)
    if result == INTERRUPTED:
        return _fail(interrupted(), arguments, pilot)
    return result if isinstance(result, int) else 0


def _complete(instruction: str, pilot: Pilot) -> int:
    """A shell asks what may stand at the cursor."""
    from b2bpilot.cli.completion.answer import answer

    text, exit_code = answer(program(), instruction, os.environ, pilot=pilot)
    pilot.output.verbatim([text] if text else [])
    pilot.output.finish()
    return exit_code


def _require_stdout() -> None:
    """Typer prints help itself, and what it could not write waits in stdout to fail again. Raises OutputFailed."""
    try:
        sys.stdout.flush()
    except OSError as exc:
        raise OutputFailed(exc.strerror) from exc


def _fail(failure: ShownError, arguments: list[str], pilot: Pilot) -> int:
    pilot.output.format = wanted_format(arguments, pilot)
    pilot.output.color = wanted_color(arguments, pilot)
    pilot.output.fail(failure)
    return failure.exit_code


def _escape_what_the_terminal_cannot_show() -> None:
    """A message in Japanese on an ASCII terminal is shown escaped: no reason to fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _forget_stdout() -> None:
    """Python flushes stdout once more when it ends; to a closed pipe that would print an error."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
