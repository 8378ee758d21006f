"""What a load found: figures, and for each promise of the pipeline whether it was kept, broken, or cannot be told."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum

from b2bpilot.advice import Words
from b2bpilot.ops.load.plan import LoadPlan
from b2bpilot.pipeline.message import Priority, format_time
from b2bpilot.plural import many

SCHEMA_VERSION = 1


class PromiseOutcome(StrEnum):
    PROVED = "proved"
    BROKEN = "broken"
    UNKNOWN = "unknown"
    """Neither could be shown; the detail says why."""
    NOTHING = "nothing to prove"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseCheck:
    """One promise. `detail` has the counts that decide it."""

    promise: str
    verdict: PromiseOutcome
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadLatency:
    """Milliseconds. `values` are sorted."""

    values: Sequence[float] = field(repr=False)

    @property
    def is_known(self) -> bool:
        return bool(self.values)

    def percentile(self, percent: float) -> float | None:
        """Return the value that so many percent do not exceed."""
        if not self.values:
            return None
        place = max(0, math.ceil(len(self.values) * percent / 100) - 1)
        return self.values[place]

    def summary(self) -> dict[str, float | int | None]:
        numbers = {name: self.percentile(percent) for name, percent in PERCENTILES.items()}
        rounded = {name: None if value is None else round(value, 1) for name, value in numbers.items()}
        return {"count": len(self.values), **rounded}


PERCENTILES = {"p50": 50.0, "p95": 95.0, "p99": 99.0, "max": 100.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Urgency:
    """What was seen of the priorities. `sent` were of high priority and accepted; so many of their rows say so, `marked`."""

    latency: Mapping[Priority, LoadLatency]
    sent: int
    marked: int
    lane: str
    """How many runs are reserved for the express lane; empty where there is none."""

    def p95(self, priority: Priority) -> float | None:
        return self.latency[priority].percentile(95)

    @property
    def sentence(self) -> str:
        return f"the express lane is on, {self.lane} at a time" if self.lane else "there is no express lane"

    def fields(self) -> dict[str, object]:
        return {
            "express_lane": bool(self.lane),
            "sent_high": self.sent,
            "stored_high": self.marked,
            "accept_to_stored_ms": {one.value: found.summary() for one, found in self.latency.items()},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Requests of one kind that were not accepted at first. Moments are of the first and the last of them."""

    kind: str
    count: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """What happened within one second of the load."""

    at: int
    accepted: int
    stored: int
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaning:
    """What was removed again. `left` says, for each thing that was not, what it is and how to remove it."""

    rows: int = 0
    dead_letters: int = 0
    left: Sequence[Words] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that there is to say about a load."""

    run_id: str
    environment: str
    account_id: str
    region: str
    plan: LoadPlan
    started_at: datetime
    seconds: float
    messages: int
    requests: int
    accepted: int
    stored: int
    accept: LoadLatency
    store: LoadLatency
    clock_error_ms: float
    """The two clocks were compared this exactly: what accept-to-stored may be off by."""
    troubles: Sequence[Trouble]
    timeline: Sequence[Second]
    checks: Sequence[PromiseCheck]
    story: Sequence[str]
    """What happened besides, in order: outages, pauses, takeovers."""
    cleaning: Cleaning
    urgency: Urgency | None = None
    """Where some were of high priority."""

    @property
    def is_proved(self) -> bool:
        return all(check.verdict is not PromiseOutcome.BROKEN for check in self.checks)

    @property
    def requests_per_second(self) -> float:
        return self.accepted / self.seconds if self.seconds else 0.0

    @property
    def early(self) -> str | None:
        """Say what 0 ms from accept to stored stands for, where there are any."""
        count = sum(value == 0 for value in self.store.values)
        one = "row that was completed before its answer had arrived"
        several = "rows that were completed before their answers had arrived"
        return f"0 ms from accept to stored: {many(count, one, several)}" if count else None

    @property
    def stored_per_second(self) -> float | None:
        """Over the time from the first request to the last row."""
        last = max((second.at for second in self.timeline if second.stored), default=None)
        return None if last is None else self.stored / (last + 1)

    def fields(self) -> dict[str, object]:
        """The report for programs."""
        return {
            "report_version": SCHEMA_VERSION,
            "run_id": self.run_id,
            "environment": self.environment,
            "account_id": self.account_id,
            "region": self.region,
            "plan": self.plan.parameters(),
            "started_at": format_time(self.started_at),
            "seconds": round(self.seconds, 3),
            "messages": self.messages,
            "requests": self.requests,
            "accepted": self.accepted,
            "stored": self.stored,
            "accepted_per_second": round(self.requests_per_second, 1),
            "accept_ms": self.accept.summary(),
            "accept_to_stored_ms": {**self.store.summary(), "clock_error": round(self.clock_error_ms, 1)},
            **({"priorities": self.urgency.fields()} if self.urgency else {}),
            "errors": [_trouble(trouble) for trouble in self.troubles],
            "timeline": [asdict(second) for second in self.timeline],
            "checks": [{**asdict(check), "verdict": check.verdict.value} for check in self.checks],
            "story": list(self.story),
            "cleaned": {
                "rows": self.cleaning.rows,
                "letters": self.cleaning.dead_letters,
                "left": list(self.cleaning.left),
            },
            "proved": self.is_proved,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Values from `low` up to `high`, in milliseconds."""

    low: float
    high: float
    count: int


BOUNDS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000)


def histogram(values: Sequence[float]) -> list[Bucket]:
    """Return counts in steps of 1, 2, 5, from the first that has any to the last."""
    bounds = [*BOUNDS, math.inf]
    buckets = [
        Bucket(low=low, high=high, count=sum(low <= value < high for value in values))
        for low, high in itertools.pairwise(bounds)
    ]
    filled = [place for place, bucket in enumerate(buckets) if bucket.count]
    return buckets[filled[0] : filled[-1] + 1] if filled else []


def _trouble(trouble: Trouble) -> Mapping[str, object]:
    return {
        "kind": trouble.kind,
        "count": trouble.count,
        "first_at": format_time(trouble.first_at),
        "last_at": format_time(trouble.last_at),
    }
