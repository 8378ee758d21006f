"""What a second region takes on one machine: until it is ready, and memory, a pair beside an environment in one region."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from bench.environment import Environments, environment, processes
from bench.row import Turn


def beside_one(_: Environments) -> Iterator[Turn]:
    """Each is started fresh, in turns, and ended before the next. Pages that several processes share are counted once."""
    while True:
        yield _of("one region") | _of("pair", "--pair")


def _of(name: str, *options: str) -> dict[str, float]:
    seconds, megabytes = _started(options)
    return {f"{name}, start": seconds, f"{name}, memory": megabytes}


def _started(options: Sequence[str]) -> tuple[float, float]:
    began = time.monotonic()
    with environment(options) as running:
        seconds = time.monotonic() - began
        found = processes(running.state)
        return seconds, sum(process.memory_full_info().pss for process in found) / 1e6
