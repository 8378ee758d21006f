"""What is applied, what is pending: the files, the ledger and the schema held against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from b2bpilot.errors import MigrationDrift, MigrationFailed
from b2bpilot.ops.migrations.files import MigrationFile
from b2bpilot.ops.migrations.ledger import How, LedgerEntry
from b2bpilot.ops.migrations.lost_columns import LostColumns, bringing_back
from b2bpilot.ops.migrations.schema import Presence, Schema
from b2bpilot.ops.migrations.statements import MigrationStatement, NewColumns, NewIndex, NewTable
from b2bpilot.ops.migrations.table import SUBMISSIONS, MigratedTable, table_named


class MigrationState(StrEnum):
    """Of one migration."""

    APPLIED = "applied"
    ADOPTED = "adopted"
    """The schema has what it makes, but `migrate` did not make it."""
    PENDING = "pending"
    INTERRUPTED = "interrupted"
    """It was begun and not ended; it is run again, from where it stopped."""
    DAMAGED = "damaged"
    """The ledger has it, the schema lacks part of what it makes; that part is made again."""
    DRIFT = "drift"
    """Its file is not the one that was applied."""
    UNKNOWN = "unknown"
    """The ledger has it, and no file does."""


TO_RUN = frozenset({MigrationState.PENDING, MigrationState.INTERRUPTED, MigrationState.DAMAGED})


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationStep:
    """A statement to run, and what is there now in the place of what it makes. `lacking` are the columns that are not, and
    `lost` says what to do about them where the statement does not make them."""

    statement: MigrationStatement
    presence: Presence
    lacking: tuple[str, ...]
    lost: LostColumns | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One migration. `steps` are its statements that have something to do; no file: another version's."""

    name: str
    state: MigrationState
    file: MigrationFile | None
    entry: LedgerEntry | None
    steps: tuple[MigrationStep, ...]

    @property
    def is_recorded(self) -> bool:
        return self.entry is not None and self.entry.applied_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationPlan:
    """All migrations of a table in their order, those without a file last; and the migrator that is at work meanwhile."""

    table: MigratedTable = SUBMISSIONS
    migrations: tuple[Migration, ...]
    migrator: str | None = None

    @property
    def pending(self) -> list[Migration]:
        """Those with something to run."""
        return [migration for migration in self.migrations if migration.state in TO_RUN]

    @property
    def to_record(self) -> list[Migration]:
        """Those that are there and only lack their line in the ledger."""
        return [
            migration
            for migration in self.migrations
            if migration.state is MigrationState.ADOPTED and not migration.is_recorded
        ]

    @property
    def steps(self) -> list[MigrationStep]:
        return [step for migration in self.pending for step in migration.steps]


def make_plan(
    files: Sequence[MigrationFile],
    entries: Mapping[str, LedgerEntry],
    schema: Schema,
    *,
    table: MigratedTable = SUBMISSIONS,
    migrator: str | None = None,
) -> MigrationPlan:
    """Hold them against each other; `require_sound` judges what comes out."""
    known = {file.name for file in files}
    strangers = [
        Migration(name=entry.name, state=MigrationState.UNKNOWN, file=None, entry=entry, steps=())
        for entry in entries.values()
        if table.keeps(entry.name) and entry.name not in known
    ]
    ours = [_migration(file, entries.get(file.name), schema) for file in files]
    return MigrationPlan(table=table, migrations=(*ours, *strangers), migrator=migrator)


def require_sound(plan: MigrationPlan) -> None:
    """Raise MigrationDrift or MigrationFailed when the plan must not be run."""
    for migration in plan.migrations:
        _require_known(migration)
    _require_order(plan)
    for step in plan.steps:
        _require_ours(step)


def _migration(file: MigrationFile, entry: LedgerEntry | None, schema: Schema) -> Migration:
    steps = tuple(
        MigrationStep(
            statement=statement,
            presence=presence,
            lacking=schema.lacking(statement.makes),
            lost=bringing_back(schema, statement.makes) if presence is Presence.DIFFERENT else None,
        )
        for statement in file.statements
        if (presence := schema.presence(statement.makes)) is not Presence.THERE
    )
    state = _state(file, entry, complete=not steps)
    return Migration(name=file.name, state=state, file=file, entry=entry, steps=steps)


def _state(file: MigrationFile, entry: LedgerEntry | None, *, complete: bool) -> MigrationState:
    if entry is None:
        return MigrationState.ADOPTED if complete else MigrationState.PENDING
    if entry.applied_at is None:
        return MigrationState.INTERRUPTED
    if entry.checksum != file.checksum:
        return MigrationState.DRIFT
    if not complete:
        return MigrationState.DAMAGED
    match entry.how:
        case How.APPLIED:
            return MigrationState.APPLIED
        case How.ADOPTED:
            return MigrationState.ADOPTED
        case _:
            assert_never(entry.how)


def _require_known(migration: Migration) -> None:
    entry = migration.entry
    if entry and migration.state is MigrationState.DRIFT:
        raise MigrationDrift(
            f"{migration.name} has changed since b2bpilot {entry.tool_version} recorded it "
            f"({entry.checksum[:12]} then, {migration.file.checksum[:12] if migration.file else ''} now). Nothing was run",
            hint=f"put the recorded file back: install b2bpilot {entry.tool_version} again from its checkout",
        )
    if entry and migration.state is MigrationState.UNKNOWN:
        raise MigrationDrift(
            f"the ledger has {migration.name}, recorded by b2bpilot {entry.tool_version}; this version has no such file. "
            "Nothing was run",
            hint="the database is ahead of this version: use the version that migrated it, or a newer one",
        )


def _require_order(plan: MigrationPlan) -> None:
    """What is in the ledger cannot come after what was never begun."""
    first_pending = next((it for it in plan.migrations if it.state is MigrationState.PENDING), None)
    if first_pending is None:
        return
    later = plan.migrations[plan.migrations.index(first_pending) :]
    if ahead := next((it for it in later if it.is_recorded), None):
        raise MigrationDrift(
            f"{ahead.name} is recorded, but {first_pending.name}, which comes before it, was never made. Nothing was run",
            hint="the ledger b2bpilot_migrations was edited, or the table restored without it: see docs/migrations.md",
        )


def _remedy(lost: LostColumns | None) -> str:
    if lost is None:
        return ""
    return lost.remedy if lost.is_for_a_person else f"run {lost.remedy}"


def _require_ours(step: MigrationStep) -> None:
    if step.presence is not Presence.DIFFERENT:
        return
    match makes := step.statement.makes:
        case NewTable():
            raise MigrationFailed(
                f"table {makes.table} exists, but lacks {', '.join(step.lacking)}. Nothing was run",
                hint=f"if the table is this pipeline's, {_remedy(step.lost)}; then "
                + table_named(makes.table).command()
                + " again",
            )
        case NewColumns():
            raise MigrationFailed(
                f"column message_id of {makes.table} exists, but does not hold text. Nothing was run",
                hint="rename that column; the pipeline's own is varchar(255)",
            )
        case NewIndex():
            kind = "unique index" if makes.unique else "index"
            raise MigrationFailed(
                f"index {makes.name} exists, but is not the {kind} on {', '.join(makes.columns)} alone. "
                "Nothing was run",
                hint=f"run DROP INDEX CONCURRENTLY {makes.name}; then "
                + table_named(makes.table).command()
                + " again",
            )
        case _:
            assert_never(makes)
