"""`make drill ARGS="--times 10 --seed 7"`: `local drill` at drawn moments, then each of 1,000 messages at both webhooks at once.

Exit code 1: the books of one of them do not balance.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random, randrange

from b2bpilot.local import control
from b2bpilot.local.drill.books import DrillBooks
from b2bpilot.local.drill.plan import DrillPlan, PairSide
from b2bpilot.local.drill.run import drill
from tests.drill.both_at_once import AtOnce, at_once
from tests.faults.document import write

SECONDS = 40.0


def main() -> int:
    options = _options()
    seed = randrange(10**6) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    home = Path(tempfile.mkdtemp(prefix="b2bpilot-drill-"))
    try:
        control.up_detached(home / "home", pair=True)
        drawn = Random(seed)
        plans = [drawn_plan(drawn, rate=options.rate) for _ in range(options.times)]
        found = [_drilled(home / "home", plan) for plan in plans]
        both = at_once(home / "home", options.messages)
        print(_both(both), flush=True)
    finally:
        control.down(home / "home")
        shutil.rmtree(home, ignore_errors=True)
    if options.write:
        write(options.write, "Drill", _document(options, seed, list(zip(plans, found, strict=True)), both))
    return 0 if both.balances and all(each.balances for each in found) else 1


def drawn_plan(drawn: Random, *, rate: float, seconds: float = SECONDS) -> DrillPlan:
    """The primary dies in the first half, for a quarter to a third of the time."""
    stop_at = drawn.uniform(0.05, 0.5) * seconds
    return DrillPlan(
        rate=rate,
        seconds=seconds,
        side=PairSide.PRIMARY,
        stop_at=stop_at,
        back_at=stop_at + drawn.uniform(0.25, 0.35) * seconds,
    )


def _drilled(home: Path, plan: DrillPlan) -> DrillBooks:
    books = drill(home, plan)
    print(_line(plan, books), flush=True)
    return books


def _line(plan: DrillPlan, books: DrillBooks) -> str:
    return (
        f"down {plan.stop_at:.1f} to {plan.back_at:.1f} s: {books.sent} sent, {books.stored} stored, {len(books.lost)} lost, "
        f"{len(books.refused)} refused by both, {len(books.stored_twice)} twice, {len(books.answered_twice)} answered twice, {books.over_fallback} over the fallback"
    )


def _both(both: AtOnce) -> str:
    return (
        f"{both.messages} messages, each at both webhooks at once: {both.posts} answered 200, {both.rows} rows, {both.lost} lost, "
        f"{both.twice} twice, {both.answered_twice} answered twice"
    )


def _document(
    options: argparse.Namespace, seed: int, found: Sequence[tuple[DrillPlan, DrillBooks]], both: AtOnce
) -> str:
    command = f"--times {options.times} --seed {seed} --rate {options.rate:g}"
    rows = [
        f"| {plan.stop_at:.1f} to {plan.back_at:.1f} s | {books.sent} | {books.stored} | {len(books.lost)} | {len(books.refused)} | {len(books.stored_twice)} | "
        f"{len(books.answered_twice)} | {books.over_fallback} | {_waited(books)} | {_latencies(books)} |"
        for plan, books in found
    ]
    return "\n".join([
        f'`make drill ARGS="{command}"`:',
        "",
        "| primary down | sent | stored once | lost | refused by both | stored twice | answered twice | over the fallback | waited in it | to the row before, during, after, p50/p95 |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *rows,
        "",
        f"{_both(both)}.",
    ])  # fmt: skip


def _waited(books: DrillBooks) -> str:
    return f"{books.waiting} ({books.waiting_stored_meanwhile} stored before its return, {books.waiting_stored_after} after)"


def _latencies(books: DrillBooks) -> str:
    shown = [(each.latency.percentile(50), each.latency.percentile(95)) for each in books.phases]
    return ", ".join(f"{(p50 or 0) / 1000:.1f}/{(p95 or 0) / 1000:.1f} s" for p50, p95 in shown)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.drill", description=__doc__)
    parser.add_argument("--times", type=int, default=10, help="how many drills (10)")
    parser.add_argument("--rate", type=float, default=20, help="messages a second (20)")
    parser.add_argument("--messages", type=int, default=1000, help="at both webhooks at once (1,000)")
    parser.add_argument("--seed", type=int, help="draws the moments")
    parser.add_argument(
        "--write", type=Path, metavar="DOCUMENT", help="put the result into its section `Drill`"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
