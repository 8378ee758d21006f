"""Try an environment as a person would: publish, follow, duplicate, poison, redrive and verify with test messages, then clean up."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from acceptance.command_line import CommandLine, Execute, in_a_process
from acceptance.report import INTERRUPTED
from acceptance.run import Request, accept
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.frame.failures import failure_of
from b2bpilot.cli.output import Output
from b2bpilot.errors import PilotError

PLACE = ("env", "region", "profile", "endpoint_url", "database_url")
ENDS = """exit codes: 0 all that was tried passed, 1 something failed or is left behind, 2 wrong settings or credentials, or
nothing could be tried, 4 with --strict: something was not tried, 5 not confirmed, 130 interrupted"""


def main(argv: Sequence[str] | None = None, *, execute: Execute = in_a_process) -> int:
    """Run the acceptance tests and return the exit code."""
    given = _parser().parse_args(argv)
    place: dict[str, str | bool] = {name: value for name in PLACE if (value := getattr(given, name))}
    pilot = Pilot(environ=os.environ, output=Output(stdout=sys.stdout, stderr=sys.stderr), given=place)
    options = {f"--{name.replace('_', '-')}": str(value) for name, value in place.items()}
    request = Request(
        patience=given.patience,
        known=frozenset(given.known),
        strict=given.strict,
        clean=given.clean,
        yes=given.yes,
    )
    try:
        _ = pilot.settings
        return accept(pilot, CommandLine(options=options, execute=execute), request)
    except KeyboardInterrupt:
        pilot.output.notice("interrupted; run it with --clean to remove what is left")
        return INTERRUPTED
    except PilotError as exc:
        failure = failure_of(exc, verbose=False)
        pilot.output.fail(failure)
        return failure.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="acceptance", description=__doc__, epilog=ENDS)
    for flag, metavar, told in (
        ("--region", "REGION", "the AWS region"),
        ("--profile", "NAME", "the AWS profile"),
        ("--endpoint-url", "URL", "where AWS is, if not on AWS"),
        ("--database-url", "URL", "the database, through a tunnel for instance"),
    ):
        parser.add_argument(flag, metavar=metavar, help=told)
    parser.add_argument(
        "-e", "--env", required=True, metavar="NAME", help="the environment, as b2bpilot's -e"
    )
    patience = "how long a row or a dead letter may take (%(default)s)"
    parser.add_argument("--patience", default="10m", metavar="DURATION", help=patience)
    known = "a check of verify that is known to fail here; repeatable"
    parser.add_argument("--known", action="append", default=[], metavar="CODE", help=known)
    parser.add_argument("--strict", action="store_true", help="end with 4 when something was not tried")
    parser.add_argument("--clean", action="store_true", help="only remove what killed runs left")
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
