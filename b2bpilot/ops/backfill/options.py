"""What was asked of a backfill: from the command line to the journal and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from b2bpilot.ops.backfill.rebuild import ROWS
from b2bpilot.ops.dead_letters.expression import Expression
from b2bpilot.ops.dead_letters.filters import MASKED
from b2bpilot.ops.runs.journal import NUMBER
from b2bpilot.ops.runs.record import RunRecord
from b2bpilot.pipeline.history import Stretch
from b2bpilot.pipeline.message import parse_time


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillOptions:
    """`limit` is how many messages are sent at most, the oldest; `rate` how many a second."""

    where: Expression | None = None
    limit: int | None = None
    rate: float | None = None
    concurrency: int | None = None
    is_by_plan: bool = False
    """Whether only messages count that the journal has as planned: its `where` held a phone number, which no journal keeps."""

    @property
    def names_a_number(self) -> bool:
        return self.where is not None and NUMBER.search(str(self.where)) is not None

    def to_journal(self) -> Mapping[str, object]:
        return {
            "where": str(self.where) if self.where else None,
            "limit": self.limit,
            "rate": self.rate,
            "concurrency": self.concurrency,
        }

    @classmethod
    def from_journal(cls, parameters: Mapping[str, Any]) -> Self:
        where = parameters.get("where")
        is_by_plan = where is not None and MASKED.search(where) is not None
        return cls(
            where=Expression.parse(where, ROWS) if where and not is_by_plan else None,
            is_by_plan=is_by_plan,
            limit=parameters.get("limit"),
            rate=parameters.get("rate"),
            concurrency=parameters.get("concurrency"),
        )


def stretch_to_journal(rows: Stretch) -> Mapping[str, object]:
    """The same rows for a resumed run: what was written since is not of it."""
    return {
        "since": rows.since.isoformat(),
        "until": rows.until.isoformat() if rows.until else None,
        "first_row": rows.first_id,
        "last_row": rows.last_id,
    }


def stretch_from_journal(record: RunRecord) -> Stretch:
    parameters = record.parameters
    until = parameters.get("until")
    return Stretch(
        since=parse_time(parameters["since"]),
        until=parse_time(until) if until else None,
        first_id=parameters["first_row"],
        last_id=parameters["last_row"],
    )
