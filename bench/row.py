"""What a row of the bench is: one way of doing a thing beside another, in turns, and what we want of the two."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.environment import Environments

Turn = Mapping[str, float]
"""What one turn measured of each way, all of them one after another."""
Turns = Callable[[Environments], Iterator[Turn]]
"""Endless: the runner takes as many as it wants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A ratio where the row has a baseline, a value of its unit where it has none."""

    value: float
    is_most: bool

    def is_met_by(self, value: float) -> bool:
        return value <= self.value if self.is_most else value >= self.value

    def is_far_from(self, value: float, recorded: float) -> bool:
        """Twice as bad as recorded, or worse: less than that, a busy machine does by itself."""
        return value >= 2 * recorded if self.is_most else value <= recorded / 2


def at_most(value: float) -> Goal:
    return Goal(value=value, is_most=True)


def at_least(value: float) -> Goal:
    return Goal(value=value, is_most=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRow:
    """`way` and `baseline` name what a turn measured. Without a baseline the goal is absolute. A ratio is not steady that the
    machine's load moves: it is compared with no recorded one."""

    name: str
    way: str
    goal: Goal | None
    unit: str
    baseline: str | None = None
    is_steady: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What is measured in the same turns. `quick`: turns of a quick run, 0 to be left out of it."""

    name: str
    measures: str
    turns: int
    measured_by: Turns
    rows: Sequence[BenchRow]
    quick: int = 0
    is_large: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    median: float
    least: float
    most: float


def spread(values: Sequence[float]) -> Spread:
    return Spread(median=statistics.median(values), least=min(values), most=max(values))


def ratios(turns: Sequence[Turn], row: BenchRow) -> Spread | None:
    """Of each turn by itself: what made the machine slow for one way made it slow for the other."""
    if row.baseline is None:
        return None
    return spread([turn[row.way] / turn[row.baseline] for turn in turns])
