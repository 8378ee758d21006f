"""`python -m b2bpilot.local --home DIRECTORY`: an environment in the foreground, for `up_detached` and for tests."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from b2bpilot.errors import PilotError
from b2bpilot.local.environment import Neighbours, running
from b2bpilot.local.parent_watch import end_when_input_closes
from b2bpilot.local.runtime.service import TIME_SCALE
from b2bpilot.local.subscribers.folder import read_folders


def main() -> int:
    arguments = _arguments()
    if arguments.until_eof:
        end_when_input_closes()
    try:
        with running(
            arguments.home,
            fresh=arguments.fresh,
            time_scale=arguments.time_scale,
            reply_text=arguments.reply_text,
            parameters=dict(arguments.parameter),
            variables=dict(arguments.variable),
            handlers=arguments.handler,
            subscribers=read_folders(arguments.subscriber),
            pair=arguments.pair,
            progress=_Report("progress"),
            meet=_Report("neighbours").addresses,
        ) as environment:
            _Report("ready")(environment.state.webhook_url)
            environment.serve()
    except PilotError as error:
        _Report("error")(str(error), hint=None if error.hint is None else str(error.hint))
        return error.exit_code
    except KeyboardInterrupt:  # told to end before it served; it did
        pass
    return 0


class _Report:
    """One JSON line per fact on standard output, for the process that started this one."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def __call__(self, text: str, *, hint: str | None = None) -> None:
        self._write({"text": text, "hint": hint})

    def addresses(self, neighbours: Neighbours) -> None:
        self._write({"text": "the neighbours of the functions run", **dataclasses.asdict(neighbours)})

    def _write(self, fact: Mapping[str, object]) -> None:
        line = {"kind": self._kind, **fact}
        try:
            print(json.dumps(line), flush=True)  # noqa: T201  a protocol between two of our processes
        except BrokenPipeError:
            sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  nobody listens any more


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m b2bpilot.local", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--time-scale", type=float, default=TIME_SCALE)
    parser.add_argument(
        "--reply-text", help="answer every message with it; the answers land in the double of Twilio"
    )
    parser.add_argument(
        "--parameter",
        type=_pair,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of the template; repeatable",
    )
    parser.add_argument(
        "--variable",
        type=_pair,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of the functions' environment; repeatable",
    )
    parser.add_argument(
        "--handler",
        action="append",
        default=[],
        metavar="MODULE.FUNCTION",
        help="may be run beside the template's; repeatable",
    )
    parser.add_argument(
        "--subscriber",
        type=Path,
        action="append",
        default=[],
        metavar="DIRECTORY",
        help="deployed beside the template; repeatable",
    )
    parser.add_argument("--pair", action="store_true", help="in two regions")
    parser.add_argument("--until-eof", action="store_true", help="end when standard input closes")
    return parser.parse_args()


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


if __name__ == "__main__":
    sys.exit(main())
