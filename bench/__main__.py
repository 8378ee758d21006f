"""`make bench`: the rows of bench/rows.py, each beside its baseline in one run (docs/decisions/0042-bench.md)."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from bench import results
from bench.environment import Environments
from bench.machine import revision, this_machine
from bench.results import RowResult
from bench.row import Bench, BenchRow, Turn, ratios, spread
from bench.rows import BENCHES


def main() -> int:
    arguments = _arguments()
    recorded = results.read()
    found: dict[str, RowResult] = {}
    print(results.terminal_line(results.HEADS), flush=True)
    for bench, measured in _measured(arguments):
        found |= measured
        for row in bench.rows:
            print(
                results.terminal_line(results.cells(row, found[row.name], recorded.get(row.name))), flush=True
            )
        if not arguments.quick:
            results.write(BENCHES, recorded | found)
    far = [row.name for bench in BENCHES for row in bench.rows if _is_far(row, found, recorded)]
    if far and arguments.quick:
        print(f"twice as bad as recorded in bench/results.md: {', '.join(far)}", file=sys.stderr)
    return 1 if far and arguments.quick else 0


def _measured(arguments: argparse.Namespace) -> Iterator[tuple[Bench, dict[str, RowResult]]]:
    chosen = [bench for bench in BENCHES if _is_wanted(bench, arguments)]
    with Environments() as environments:
        for bench in chosen:
            count = arguments.turns or (bench.quick if arguments.quick else bench.turns)
            print(f"{bench.name}: {bench.measures}; {count} turns", file=sys.stderr, flush=True)
            before = os.getloadavg()[0]
            with contextlib.closing(bench.measured_by(environments)) as endless:
                turns = list(itertools.islice(endless, count))
            load = (round(before, 1), round(os.getloadavg()[0], 1))
            yield bench, {row.name: _result(row, turns, load) for row in bench.rows}


def _result(row: BenchRow, turns: Sequence[Turn], load: tuple[float, float]) -> RowResult:
    return RowResult(
        way=spread([turn[row.way] for turn in turns]),
        baseline=spread([turn[row.baseline] for turn in turns]) if row.baseline else None,
        ratio=ratios(turns, row),
        turns=len(turns),
        date=datetime.now(UTC).date().isoformat(),
        revision=revision(),
        load=load,
        machine=this_machine(),
    )


def _is_wanted(bench: Bench, arguments: argparse.Namespace) -> bool:
    if arguments.only:
        return bench.name in arguments.only
    return (bench.quick > 0 if arguments.quick else True) and (arguments.large or not bench.is_large)


def _is_far(row: BenchRow, found: results.Results, recorded: results.Results) -> bool:
    """Only ratios are compared: a time is the machine's own."""
    now, then = found.get(row.name), recorded.get(row.name)
    if (
        not row.is_steady
        or row.goal is None
        or now is None
        or then is None
        or now.ratio is None
        or then.ratio is None
    ):
        return False
    return row.goal.is_far_from(now.ratio.median, then.ratio.median)


def _arguments() -> argparse.Namespace:
    names = [bench.name for bench in BENCHES]
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--turns", type=int, help="instead of each row's own number")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a few rows, few turns; nothing is written; fails on a factor of two",
    )
    parser.add_argument("--large", action="store_true", help="also what takes a table of 10,000,000 rows")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
