"""The memory of a command, by how many it is about: each case in a process of its own, with all that the command line imports.

`python -m bench.memory CASE COUNT` prints the most that the process had in memory, in megabytes, and the seconds it took.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from b2bpilot.aws.logs import LogEvent
from b2bpilot.aws.session import AwsAccess
from b2bpilot.cli import app
from b2bpilot.ops.dead_letters.archive import Origin
from b2bpilot.ops.dead_letters.copies import ExportRequest, Spool, copies_from_queue, export_to_file
from b2bpilot.ops.dead_letters.filters import Selection
from b2bpilot.ops.dead_letters.listing import list_dead_letters
from b2bpilot.ops.logs.reading import LogSelection, read
from b2bpilot.ops.redrive.options import RedriveOptions
from b2bpilot.ops.redrive.routes import InvokeRoute
from b2bpilot.ops.redrive.run import Redrive
from b2bpilot.ops.runs.journal import Journal
from b2bpilot.pipeline.dead_letter import DeadLetter
from bench.environment import Environments
from bench.made_up import ALREADY, HIDDEN, WAITING, MadeUp, index_of
from bench.row import Turn

FEW, MANY = 1_000, 100_000
ORIGIN = Origin(environment="local", account_id="000000000001", region="us-east-1")


@dataclass(frozen=True)
class Chosen:
    """A filter that only its case knows."""

    matches: Callable[[DeadLetter], bool]

    def is_met_by(self, _: Iterable[str]) -> bool:
        return False


def of_each(_: Environments) -> Iterator[Turn]:
    """Megabytes and seconds, at 1,000 and at 100,000."""
    while True:
        turn = {}
        for case in CASES:
            for count in (FEW, MANY):
                megabytes, seconds = _measured(case, count)
                turn[f"{case}, {count:,}"] = megabytes
                turn[f"seconds of {case}, {count:,}"] = seconds
        yield turn


def _measured(case: str, count: int) -> tuple[float, float]:
    command = [sys.executable, "-m", "bench.memory", case, str(count)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    megabytes, seconds = json.loads(done.stdout)
    return megabytes, seconds


def redrive(count: int) -> None:
    _redrive(count, lambda _: True)


def redrive_few(count: int) -> None:
    """A filter leaves one in a thousand."""
    _redrive(count, lambda dead_letter: index_of(dead_letter.queue_message_id) % 1_000 == 0)


def _redrive(count: int, matches: Callable[[DeadLetter], bool]) -> None:
    queue = MadeUp(count)
    run = Redrive(
        queue=queue.as_queue(),
        route=InvokeRoute(queue),
        table=queue,
        options=RedriveOptions(force=True, wait=timedelta(), concurrency=16),
        wanted=Chosen(matches),
        started_at=datetime.now(UTC),
    )
    with tempfile.TemporaryDirectory() as home, run, _journal(Path(home)) as journal:
        summary = run.run_all(run.next_plan(), journal)
    assert summary.completed in {count, count // 1_000}
    assert queue.states.count(HIDDEN) == 0
    assert queue.states.count(WAITING) == count - summary.completed


def listing(count: int) -> None:
    queue = MadeUp(count)
    found = list_dead_letters(
        queue.as_queue(),
        selection=Selection(),
        retention=timedelta(days=14),
        table=lambda: nullcontext(queue),  # type: ignore[arg-type]  # the calls that a look makes
        now=datetime.now(UTC),
        observe=_quiet,
    )
    assert found.look.saw == count


def export(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        look = export_to_file(MadeUp(count).as_queue(), Path(folder) / "dead-letters.jsonl", _request())
    assert look.saw == count


def replay(count: int) -> None:
    """Its copies: what is processed, is processed one by one."""
    with Spool() as spool:
        copies = copies_from_queue(MadeUp(count).as_queue(), spool, _request(), most=count)
        assert sum(1 for _ in copies.dead_letters()) == count


def logs(count: int) -> None:
    """Lines of three functions, merged."""
    each = {name: MadeUpLog(count // 3 + 1) for name in ("webhook", "processor", "stale")}
    found = read(each, LogSelection(), since=ALREADY, until=None, missing=_quiet)
    assert sum(1 for _ in found) >= count


class MadeUpLog:
    """A group whose lines are made up when they are asked for."""

    name = "/aws/lambda/any"

    def __init__(self, lines: int) -> None:
        self._lines = lines

    def events(
        self, *, since: datetime, until: datetime | None = None, pattern: str | None = None
    ) -> Iterator[LogEvent]:
        _ = until, pattern
        line = {"level": "INFO", "event": "stored", "message": "Message stored", "latency_ms": 81.5}
        for number in range(self._lines):
            text = json.dumps({**line, "message_id": f"7d1eea89-294a-5d6f-8bdc-{number:012}"})
            at = since + timedelta(milliseconds=number)
            yield LogEvent(at=at, text=text, event_id=str(number), stream="any")


CASES: Mapping[str, Callable[[int], None]] = {
    "dlq redrive": redrive,
    "dlq redrive of one in 1,000": redrive_few,
    "dlq list": listing,
    "dlq export": export,
    "dlq replay": replay,
    "logs": logs,
}


def _request() -> ExportRequest:
    return ExportRequest(selection=Selection(), origin=ORIGIN, now=datetime.now(UTC))


def _quiet(*_: object) -> None:
    pass


@contextmanager
def _journal(home: Path) -> Iterator[Journal]:
    with Journal.create(
        home,
        command="redrive",
        environment="local",
        account_id="000000000001",
        region="us-east-1",
        operator="bench",
        reason=None,
        parameters={},
    ) as journal:
        yield journal


def main(case: str, count: str) -> None:
    _ = app, [AwsAccess(region="us-east-1").client(name) for name in ("cloudformation", "sqs", "lambda")]
    started = time.perf_counter()
    CASES[case](int(count))
    seconds = time.perf_counter() - started
    print(json.dumps([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024, seconds]))


if __name__ == "__main__":
    main(*sys.argv[1:])
