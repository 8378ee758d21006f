"""What a run of the harness is asked for."""

from __future__ import annotations

import argparse
import secrets
from dataclasses import dataclass
from pathlib import Path

WIDEST_SEED = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`minutes` is the time of faults and traffic; healing, settling and draining come after it."""

    seed: int
    minutes: float = 10.0
    rate: float = 20.0
    operators: int = 2
    time_scale: float = 20.0
    """Lambda's retries come after 3 and 6 s."""
    settle_seconds: float = 180.0
    samples: int = 5
    """How many poisoned messages are corrected in an editor at the end, and how many messages are inspected."""
    keep: Path | None = None
    write: Path | None = None

    @property
    def seconds(self) -> float:
        return self.minutes * 60

    @property
    def messages(self) -> int:
        """More than are sent."""
        return round(self.seconds * self.rate) + 100


def options_of(arguments: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of faults; settling and draining follow")
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(WIDEST_SEED), help="a random one if not given"
    )
    parser.add_argument("--rate", type=float, default=20.0, help="messages a second")
    parser.add_argument("--operators", type=int, default=2, help="people who run commands meanwhile")
    parser.add_argument(
        "--time-scale", type=float, default=20.0, help="how much faster Lambda's retries come"
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the evidence in it")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the summary into this document")
    found = parser.parse_args(arguments)
    return Options(
        seed=found.seed,
        minutes=found.minutes,
        rate=found.rate,
        operators=found.operators,
        time_scale=found.time_scale,
        keep=found.keep,
        write=found.write,
    )
