"""A plan as SQL, exactly as it is run; psql runs it too."""

from __future__ import annotations

from collections.abc import Iterator

from b2bpilot.ops.migrations import ledger
from b2bpilot.ops.migrations.index import drop
from b2bpilot.ops.migrations.migration import MigrationPlan, MigrationStep
from b2bpilot.ops.migrations.schema import Presence
from b2bpilot.ops.migrations.statements import NewIndex


def script(plan: MigrationPlan) -> list[str]:
    """Return the lines. The ledger's own rows are left out: they carry who ran it and when."""
    if not (plan.pending or plan.to_record):
        return []
    lines = [f"{ledger.CREATE.strip()};"]
    lines += [f"-- {migration.name}: recorded as made by hand" for migration in plan.to_record]
    for migration in plan.pending:
        lines += ["", f"-- {migration.name}"]
        for step in migration.steps:
            lines += [f"{sql};" for sql in _statements(step)]
    return "\n".join(lines).split("\n")


def _statements(step: MigrationStep) -> Iterator[str]:
    makes = step.statement.makes
    yield from step.statement.limits.sql
    if step.presence is Presence.INVALID and isinstance(makes, NewIndex):
        yield drop(makes)
    yield step.statement.sql
