"""Migrations as they are shown: their states, the plan with its locks, and what a run did."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, assert_never

from b2bpilot.advice import Words
from b2bpilot.cli.output import Row, Tone, Toned, of_state
from b2bpilot.plural import many

if TYPE_CHECKING:
    from b2bpilot.ops.migrations import (
        Fitness,
        FitnessFinding,
        Migration,
        MigrationOutcome,
        MigrationPlan,
        MigrationStep,
        Preflight,
    )

NONE = "-"
CHECKSUM_LENGTH = 8


def row(migration: Migration) -> Row:
    """One line of --status."""
    entry, file = migration.entry, migration.file
    applied_at = entry.applied_at if entry else None
    seconds = entry.duration.total_seconds() if entry and entry.duration else None
    return Row(
        fields={
            "name": migration.name,
            "state": migration.state.value,
            "recorded": migration.is_recorded,
            "started_at": _iso(entry.started_at) if entry else None,
            "applied_at": _iso(applied_at) if applied_at else None,
            "operator": entry.operator if entry else None,
            "reason": entry.reason if entry else None,
            "duration_seconds": seconds,
            "tool_version": entry.tool_version if entry else None,
            "checksum": entry.checksum if entry else None,
            "file_checksum": file.checksum if file else None,
            "statements_to_run": len(migration.steps),
        },
        columns={
            "migration": migration.name,
            "state": _state(migration),
            "recorded (UTC)": f"{applied_at.astimezone(UTC):%Y-%m-%d %H:%M}" if applied_at else NONE,
            "by": entry.operator if entry else NONE,
            "took": f"{seconds:.1f} s" if seconds is not None else NONE,
            "checksum": entry.checksum[:CHECKSUM_LENGTH] if entry else NONE,
        },
    )


def remarks(plan: MigrationPlan) -> Iterator[Words]:
    """What --status says below the table."""
    from b2bpilot.ops.migrations import MigrationState

    for migration in plan.migrations:
        entry = migration.entry
        match migration.state:
            case MigrationState.INTERRUPTED if entry and not plan.migrator:
                yield (
                    f"{migration.name} was begun by {entry.operator} at {_iso(entry.started_at)} and did not finish; "
                    + plan.table.command()
                    + " goes on with it."
                )
            case MigrationState.DAMAGED:
                steps = "; ".join(_gone(step) for step in migration.steps)
                yield f"{migration.name} is recorded, but part of it is gone or invalid: {steps}."
            case MigrationState.DRIFT:
                yield f"{migration.name} has changed since it was recorded."
            case MigrationState.UNKNOWN:
                yield f"{migration.name} is recorded, but this version has no such file."
            case _:
                pass
    if plan.to_record:
        yield (
            f"Made by hand and not recorded yet: {len(plan.to_record)}; "
            + plan.table.command()
            + " records them."
        )
    if plan.migrator:
        yield f"A migrator is at work: {plan.migrator}."


def told(fitness: Fitness) -> Iterator[str]:
    """What of the table refuses messages, or may; with what can be done about the first."""
    for finding in fitness.obstacles:
        yield f"Refuses messages: {finding.text}. To change that: {finding.remedy}"
    for finding in fitness.doubts:
        yield f"Not proven to take every message: {finding.text}"


def fitness_fields(fitness: Fitness) -> dict[str, object]:
    return {
        "role": fitness.role,
        "role_is_the_functions": fitness.is_the_functions,
        "obstacles": [_finding_fields(finding) for finding in fitness.obstacles],
        "doubts": [_finding_fields(finding) for finding in fitness.doubts],
    }


def described(survey: Preflight, target: str) -> Iterator[str]:
    """What is known before anything is run."""
    plan, server = survey.plan, survey.server
    yield f"Database: {target} (PostgreSQL {server.version}, role {server.role})"
    if survey.pooled:
        yield "A connection pooler is in between; as far as can be seen it gives whole sessions, which is enough."
    yield f"Table: {_table(survey)}"
    for migration in plan.to_record:
        yield f"{migration.name}: made by hand; it is only recorded"
    for migration in plan.pending:
        yield f"{migration.name}: {migration.state.value}"
        for step in migration.steps:
            yield from _described_step(step, survey)
    yield from told(survey.fitness)
    if plan.migrator:
        yield f"Another migrator is at work: {plan.migrator}"
    for text in survey.in_the_way:
        yield f"In the way of CREATE INDEX CONCURRENTLY: {text}"
    if not (plan.pending or plan.to_record):
        yield "Nothing is pending."


def question(plan: MigrationPlan, target: str) -> str:
    if not plan.pending:
        return f"Record {_count(len(plan.to_record))} in {target}?"
    return f"Apply {_count(len(plan.pending))} to {target}?"


def fields(survey: Preflight) -> dict[str, object]:
    """The same for programs."""
    server, count = survey.server, survey.count
    return {
        "plan": {
            "server_version": server.version,
            "role": server.role,
            "through_pooler": survey.pooled,
            "table": {
                "exists": server.owner is not None,
                "bytes": server.bytes,
                "estimated_rows": server.rows,
            },
            "message_id": {"rows": count.rows, "nulls": count.nulls, "duplicates": count.duplicated}
            if count
            else None,
            "in_the_way": survey.in_the_way,
            "fitness": fitness_fields(survey.fitness),
            "migrator": survey.plan.migrator,
            "to_record": [migration.name for migration in survey.plan.to_record],
            "pending": [
                {
                    "name": migration.name,
                    "state": migration.state.value,
                    "statements": [
                        _step_fields(step, table_is_new=server.owner is None) for step in migration.steps
                    ],
                }
                for migration in survey.plan.pending
            ],
        }
    }


def outcome_fields(outcome: MigrationOutcome) -> dict[str, object]:
    return {
        "applied": outcome.applied,
        "adopted": outcome.adopted,
        "verified": outcome.verified,
        "fitness": fitness_fields(outcome.fitness),
        "duration_seconds": round(outcome.duration.total_seconds(), 3),
    }


def outcome_text(outcome: MigrationOutcome, plan: MigrationPlan, target: str) -> Iterator[str]:
    seconds = outcome.duration.total_seconds()
    if outcome.applied:
        yield f"Applied {_count(len(outcome.applied))} to {target} in {seconds:.1f} s:"
        yield from (f"  {name}" for name in outcome.applied)
    if outcome.adopted:
        yield f"Recorded {_count(len(outcome.adopted))} in {target}, made by hand before:"
        yield from (f"  {name}" for name in outcome.adopted)
    if not (outcome.applied or outcome.adopted):
        meanwhile = " (another migrator did it meanwhile)" if plan.pending or plan.to_record else ""
        yield f"Nothing to do: {target} is up to date{meanwhile}"
    yield "Verified:"
    yield from (f"  {line}" for line in outcome.verified)
    yield from told(outcome.fitness)


def _finding_fields(finding: FitnessFinding) -> dict[str, str]:
    return {"topic": finding.topic.value, "text": finding.text, "remedy": finding.remedy}


def _described_step(step: MigrationStep, survey: Preflight) -> Iterator[str]:
    from b2bpilot.ops.migrations import effect_of
    from b2bpilot.ops.migrations.schema import Presence

    effect = effect_of(step.statement, table_is_new=survey.server.owner is None)
    count = survey.count
    yield f"  {_title(step)}"
    yield f"    {effect.lock}: {effect.waits[0]}"
    yield from (f"    {line}" for line in effect.waits[1:])
    if step.presence is Presence.INVALID:
        yield "    It is there and not valid: unless that changes before its turn, it is dropped and built again"
    if count and _is_unique(step):
        yield f"    message_id: NULL in {count.nulls:,} of {many(count.rows, 'row')}, no duplicates among the others"


def _step_fields(step: MigrationStep, *, table_is_new: bool) -> dict[str, object]:
    from b2bpilot.ops.migrations import effect_of

    effect = effect_of(step.statement, table_is_new=table_is_new)
    return {
        "sql": step.statement.sql,
        "lock": effect.lock,
        "blocks_reads": effect.blocks_reads,
        "blocks_writes": effect.blocks_writes,
        "effect": "; ".join(effect.waits),
        "lock_timeout": step.statement.limits.lock_timeout,
        "found": step.presence.value,
    }


def _title(step: MigrationStep) -> str:
    from b2bpilot.ops.migrations import title

    return title(step.statement)


def _gone(step: MigrationStep) -> str:
    """A table that is there is not made again: its columns are added by hand."""
    from b2bpilot.ops.migrations.schema import Presence
    from b2bpilot.ops.migrations.statements import NewTable

    makes = step.statement.makes
    if step.presence is not Presence.DIFFERENT or not isinstance(makes, NewTable):
        return _title(step)
    remedy = step.lost.remedy if step.lost else ""
    return f"{', '.join(step.lacking)} of {makes.table}. To change that: {remedy}"


def _is_unique(step: MigrationStep) -> bool:
    return bool(getattr(step.statement.makes, "unique", False))


def _table(survey: Preflight) -> str:
    server, table = survey.server, survey.plan.table.name
    if server.owner is None:
        return f"{table} is not there yet"
    rows = (
        f"about {many(server.rows, 'row')}"
        if server.rows is not None
        else "rows not counted yet (never analyzed)"
    )
    return f"{table}, {rows}, {_size(server.bytes)}, owned by {server.owner}"


def _size(size: int) -> str:
    for unit, factor in (("GB", 1 << 30), ("MB", 1 << 20)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size // 1024} kB"


def _state(migration: Migration) -> Words:
    from b2bpilot.ops.migrations import MigrationState

    match migration.state:
        case MigrationState.ADOPTED:
            return of_state("adopted") + " (by hand)"
        case MigrationState.DRIFT:
            return of_state("drift")
        case MigrationState.UNKNOWN:
            return Toned("no such file", Tone.WARNING)
        case (
            MigrationState.APPLIED
            | MigrationState.PENDING
            | MigrationState.INTERRUPTED
            | MigrationState.DAMAGED
        ):
            return of_state(migration.state.value)
        case _:
            assert_never(migration.state)


def _count(number: int) -> str:
    return f"{number} migration{'' if number == 1 else 's'}"


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
