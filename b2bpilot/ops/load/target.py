"""What a load asks besides the rows: the dead-letter queue, the function's reserve, and CloudWatch's count of runs at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from b2bpilot.aws.functions import Function
from b2bpilot.aws.metrics import Metric, Point, read
from b2bpilot.aws.queue import DeadLetterQueue
from b2bpilot.errors import AwsError
from b2bpilot.ops.dead_letters.filters import Selection
from b2bpilot.ops.dead_letters.holding import Holding
from b2bpilot.ops.dead_letters.peek import peek
from b2bpilot.ops.dead_letters.sweep import take_named
from b2bpilot.ops.environment import Environment
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.waiting import wait_until

DEAD_LETTER_PATIENCE_SECONDS = 20.0
METRIC_PATIENCE_SECONDS = 15.0
PAUSE_SECONDS = 0.5
PERIOD_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """How many runs of the function there were at once. None is unknown; `why` says so."""

    most: int | None
    reserve: int | None
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTarget:
    """The environment's queue and function, as a load looks at them."""

    environment: Environment
    clock: Callable[[], datetime]

    def dead_letters(self, message_ids: frozenset[str], *, patiently: bool) -> dict[str, str]:
        """Return which of these messages are dead letters: message_id by the dead letter's id in the queue. Raises AwsError.

        A dead letter comes a moment after the last attempt failed: `patiently` waits for all of them for a while.
        """
        return wait_until(
            lambda: self._look(message_ids),
            enough=lambda found: len(set(found.values())) >= len(message_ids),
            seconds=DEAD_LETTER_PATIENCE_SECONDS if patiently else 0,
            pause_seconds=PAUSE_SECONDS,
        )

    def delete_dead_letters(self, queue_message_ids: set[str]) -> int:
        """Delete exactly these dead letters and return how many are gone. Raises AwsError."""
        wanted = set(queue_message_ids)
        deleted: list[int] = []
        with Holding(self._queue()) as held:

            def delete(dead_letters: Sequence[DeadLetter]) -> None:
                deleted.append(len(dead_letters) - len(held.delete(dead_letters)))

            take_named(held, wanted, delete)
        return sum(deleted)

    def concurrency(self, function: str, *, since: datetime) -> Concurrency:
        """Ask for a function's highest number of runs at once. CloudWatch lags: what it does not have is unknown."""
        try:
            reserve = Function.connect(function, access=self.environment.access).reserved_concurrency()
            most = self._most_at_once(function, since)
        except AwsError as exc:
            return Concurrency(most=None, reserve=None, why=str(exc))
        why = None if most is not None else "CloudWatch has no figure yet; it lags a minute or two"
        return Concurrency(most=most, reserve=reserve, why=why)

    def _most_at_once(self, name: str, since: datetime) -> int | None:
        metric = Metric(
            namespace="AWS/Lambda",
            name="ConcurrentExecutions",
            dimensions={"FunctionName": name},
            stat="Maximum",
        )
        begin = since.replace(second=0, microsecond=0)

        def points() -> list[Point]:
            until = self.clock() + timedelta(seconds=PERIOD_SECONDS)
            return read(
                self.environment.access, [metric], since=begin, until=until, period_seconds=PERIOD_SECONDS
            )[metric]

        found = wait_until(points, seconds=METRIC_PATIENCE_SECONDS, pause_seconds=PAUSE_SECONDS)
        return int(max(point.value for point in found)) if found else None

    def _look(self, message_ids: frozenset[str]) -> dict[str, str]:
        if not message_ids:
            return {}
        found: dict[str, str] = {}

        def visit(dead_letter: DeadLetter) -> None:
            if dead_letter.message is not None and dead_letter.message.test and dead_letter.owner.is_ours:
                found[dead_letter.queue_message_id] = dead_letter.message.message_id

        peek(self._queue(), now=self.clock(), selection=Selection(message_ids=message_ids), visit=visit)
        return found

    def _queue(self) -> DeadLetterQueue:
        return self.environment.queue()
