"""`make upgrade ARGS="--seconds 60 --seed 7"`: the last release under traffic, this version over it, back, and again.
`ARGS="--modes steps"`: this version, from one mode of delivery to another and back. `ARGS="--from-sqs 500"`: the SQS version with
so many messages in its queue, this version beside it, by the commands of docs/from-sqs-to-sns.md, and back.

Exit code 1: the books do not balance. 2: the release's code is not here.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from random import randrange

from tests.faults.document import write
from tests.sqs_version import run as from_sqs
from tests.upgrade import modes
from tests.upgrade.report import as_json, as_markdown, as_text
from tests.upgrade.run import Options, run
from tests.upgrade.version import LAST_RELEASE, THIS, Version, VersionMissing, version


def main() -> int:
    arguments = _arguments()
    options = Options(
        seed=randrange(10**6) if arguments.seed is None else arguments.seed,
        seconds=arguments.seconds,
        rate=arguments.rate,
    )
    began = time.monotonic()

    def progress(text: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {text}", file=sys.stderr, flush=True)

    progress(f"seed {options.seed}")
    try:
        if arguments.from_sqs is not None:
            summary = from_sqs.run(options, arguments.from_sqs, progress=progress)
        elif arguments.modes:
            summary = modes.run(options, arguments.modes, is_killed=arguments.kill, progress=progress)
        else:
            with version(arguments.from_) as old:
                summary = run(old, _new(arguments.to), options, progress=progress)
    except VersionMissing as missing:
        print(f"error: {missing}", file=sys.stderr)
        return 2
    print(as_json(summary) if arguments.output == "json" else as_text(summary))
    if arguments.write:
        write(arguments.write, _section(arguments), as_markdown(summary))
    return 1 if summary.faults else 0


def _section(arguments: argparse.Namespace) -> str:
    if arguments.from_sqs is not None:
        return "From SQS"
    return "Modes" if arguments.modes else "Upgrade"


def _new(folder: Path) -> Version:
    return THIS if folder == THIS.root else Version(name=folder.name, root=folder.resolve())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.upgrade", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="of traffic, at least (60)")
    parser.add_argument("--rate", type=float, default=20, help="messages a second (20)")
    parser.add_argument("--seed", type=int, help="draws the messages and the order of the updates")
    parser.add_argument(
        "--from",
        dest="from_",
        default=LAST_RELEASE,
        metavar="COMMIT|FOLDER",
        help=f"the old version ({LAST_RELEASE})",
    )
    parser.add_argument(
        "--to", type=Path, default=THIS.root, metavar="FOLDER", help="the new version (this checkout)"
    )
    parser.add_argument(
        "--modes", choices=modes.WAYS, help="instead: change the mode of delivery, through both or at once"
    )
    parser.add_argument("--kill", action="store_true", help="with --modes: kill the processor in each mode")
    parser.add_argument(
        "--from-sqs", type=int, metavar="WAITING", help="instead: cut over from the SQS version"
    )
    parser.add_argument("--output", "-o", choices=["text", "json"], default="text")
    parser.add_argument(
        "--write",
        type=Path,
        metavar="DOCUMENT",
        help="put the result into its section `Upgrade`, `Modes` or `From SQS`",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
