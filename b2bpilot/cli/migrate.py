"""`b2bpilot migrate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot.cli.context import Pilot, pilot_of
from b2bpilot.cli.output import Row

if TYPE_CHECKING:
    from b2bpilot.ops.migrations import Migration

FOUND_SOMETHING = 3


def migrate(
    ctx: typer.Context,
    *,
    status: Annotated[
        bool, typer.Option("--status", help="Show what is applied and what is pending; stop.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the statements that would run; stop.")
    ] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="With --status or --dry-run: exit 3 when some are pending.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Bring the table to what this version needs. Only adds to it: the previous version keeps working.

    Example: b2bpilot migrate -e staging --dry-run
    """
    from b2bpilot.ops import migrations
    from b2bpilot.pipeline.connection import place

    pilot = pilot_of(ctx)
    dsn = pilot.database_url
    plan = migrations.plan(dsn)
    pending = [migration for migration in plan if not migration.applied]
    if status:
        pilot.output.rows("migrations", (_row(migration) for migration in plan))
    elif not pending:
        pilot.output.record({"applied": []}, text=[f"Nothing to do: {place(dsn)} is up to date"])
    elif dry_run:
        _show_statements(pilot, pending)
    else:
        question = f"Apply {len(pending)} migration(s) to {place(dsn)}?"
        pilot.confirmation(yes=yes).ask([f"Pending: {migration.name}" for migration in pending], question)
        _apply(pilot, dsn)
    if exit_code and pending and (status or dry_run):
        raise typer.Exit(FOUND_SOMETHING)


def _apply(pilot: Pilot, dsn: str) -> None:
    from b2bpilot.ops import migrations
    from b2bpilot.pipeline.connection import place

    with pilot.output.progress(f"Migrating {place(dsn)}") as observe:
        applied = [migration.name for migration in migrations.apply(dsn, observe)]
    pilot.output.record(
        {"applied": applied}, text=[f"Applied {len(applied)} to {place(dsn)}: {', '.join(applied)}"]
    )


def _show_statements(pilot: Pilot, pending: list[Migration]) -> None:
    fields = [{"name": migration.name, "statements": list(migration.statements)} for migration in pending]
    text: list[str] = []
    for migration in pending:
        text += [f"-- {migration.name}", *(f"{statement};" for statement in migration.statements), ""]
    pilot.output.record({"pending": fields}, text=text[:-1])


def _row(migration: Migration) -> Row:
    state = "applied" if migration.applied else "pending"
    return Row(
        fields={"name": migration.name, "applied": migration.applied},
        columns={"migration": migration.name, "state": state},
    )
