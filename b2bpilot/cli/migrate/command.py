"""`b2bpilot migrate`."""

from __future__ import annotations

import getpass
import platform
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.options import DRY_RUN, FOUND_SOMETHING, Yes
from b2bpilot.cli.frame.settings import Format
from b2bpilot.cli.migrate import migration
from b2bpilot.cli.output import Line, Tone
from b2bpilot.cli.text.durations import parse_duration
from b2bpilot.errors import MigrationFailed, PartlyFailed, PilotError, UsageError

if TYPE_CHECKING:
    from b2bpilot.ops.migrations import Author, MigratedTable, Preflight


def migrate(
    ctx: typer.Context,
    *,
    status: Annotated[
        bool, typer.Option("--status", help="Show applied and pending migrations, and stop.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the SQL that would run, the plan on stderr, and stop.")
    ] = False,
    exit_code: Annotated[
        bool,
        typer.Option(
            "--exit-code",
            help="With --status or --dry-run: exit with 3 if some are pending, 1 on drift or if the table would refuse messages.",
        ),
    ] = False,
    only: Annotated[
        str | None,
        typer.Option(
            help="Migrate another table instead: deliveries, which a subscriber's handler needs in its own database.",
            metavar="TABLE",
            autocompletion=lambda: ["deliveries"],
        ),
    ] = None,
    lock_wait: Annotated[
        str,
        typer.Option(
            help="How long to wait for another migrator and for open transactions.",
            metavar="DURATION",
            show_default=True,
        ),
    ] = "30s",
    reason: Annotated[
        str | None, typer.Option(help="Why you do this; recorded in the migration ledger.", metavar="TEXT")
    ] = None,
    yes: Yes = False,
) -> None:
    """Bring the table to this version while it is in use. Only adds: the previous version keeps working.

    After an interruption, run it again: it continues where it stopped. Connect to the database itself, not to a pooler.
    `--only deliveries` makes a subscriber's table instead, in the database of --database-url.

    Example: b2bpilot migrate -e staging --dry-run
    """
    pilot = pilot_of(ctx)
    wait = timedelta() if lock_wait in ("0", "0s") else parse_duration(lock_wait, "--lock-wait")
    _require_one(status=status, dry_run=dry_run, exit_code=exit_code)
    table = _named(only)
    if status:
        _status(pilot, table, exit_code=exit_code)
    elif dry_run:
        _dry_run(pilot, table, exit_code=exit_code)
    else:
        _migrate(pilot, table, wait=wait, reason=reason, yes=yes)


def _named(only: str | None) -> MigratedTable:
    from b2bpilot.ops.migrations import DELIVERIES, SUBMISSIONS

    if only not in (None, DELIVERIES.option):
        raise UsageError(f"--only {only} is no table; name {DELIVERIES.option}, or leave --only out")
    return DELIVERIES if only else SUBMISSIONS


def _require_one(*, status: bool, dry_run: bool, exit_code: bool) -> None:
    if status and dry_run:
        raise UsageError("--status and --dry-run are two different things; name one")
    if exit_code and not (status or dry_run):
        raise UsageError("--exit-code belongs to --status and --dry-run")


def _status(pilot: Pilot, table: MigratedTable, *, exit_code: bool) -> None:
    from b2bpilot.ops import migrations

    url = pilot.database_url
    fitness = migrations.fitness(url, functions_role=_functions_role(pilot, table), table=table)
    try:
        plan = migrations.plan(pilot.database_url, table=table)
    except MigrationFailed:
        for text in migration.told(fitness):
            pilot.output.notice(text)
        raise
    pilot.output.rows("migrations", map(migration.row, plan.migrations))
    if pilot.output.format is Format.JSON:
        pilot.output.record(migration.fitness_fields(fitness), text=[])
    for line in (*migration.remarks(plan), *migration.told(fitness)):
        pilot.output.notice(line)
    if exit_code:
        migrations.require_sound(plan)
    if exit_code and plan.pending:
        raise typer.Exit(FOUND_SOMETHING)
    if exit_code:
        migrations.require_fit(fitness)


def _dry_run(pilot: Pilot, table: MigratedTable, *, exit_code: bool) -> None:
    from b2bpilot.ops import migrations

    survey = _survey(pilot, table)
    for line in migration.described(survey, _target(pilot)):
        pilot.output.notice(line)
    script = (Line(line, Tone.DATA) for line in migrations.script(survey.plan))
    pilot.output.record(migration.fields(survey), text=script)
    pilot.output.notice(DRY_RUN)
    if exit_code and survey.plan.pending:
        raise typer.Exit(FOUND_SOMETHING)


def _migrate(pilot: Pilot, table: MigratedTable, *, wait: timedelta, reason: str | None, yes: bool) -> None:
    from b2bpilot.ops import migrations

    survey = _survey(pilot, table)
    plan, target = survey.plan, _target(pilot)
    pilot.output.record(migration.fields(survey), text=[])
    doing = f"Nothing is pending in {target}; verifying it"
    if plan.pending or plan.to_record:
        doing = f"Migrating {target}"
        question = migration.question(plan, target)
        pilot.confirmation(yes=yes).ask(list(migration.described(survey, target)), question)
    try:
        with pilot.output.progress(doing) as observe:
            outcome = migrations.apply(
                pilot.database_url,
                observe,
                author=_author(reason),
                lock_wait=wait,
                functions_role=_functions_role(pilot, table),
                table=table,
            )
    except KeyboardInterrupt:
        pilot.output.notice(
            "What was done is kept; run " + table.command() + " again to continue from there."
        )
        raise
    pilot.output.record(migration.outcome_fields(outcome), text=migration.outcome_text(outcome, plan, target))
    if outcome.fitness.obstacles:
        raise PartlyFailed(
            "the migrations are applied, but messages would be refused as the table is now",
            hint=outcome.fitness.remedies,
        )


def _survey(pilot: Pilot, table: MigratedTable) -> Preflight:
    """Counting the message_ids of a large table takes a while."""
    from b2bpilot.ops import migrations

    with pilot.output.progress(f"Looking at {_target(pilot)}"):
        role = _functions_role(pilot, table)
        return migrations.survey(pilot.database_url, functions_role=role, table=table)


def _functions_role(pilot: Pilot, table: MigratedTable) -> str | None:
    """The role in the stack's secret; None where no environment is named, nobody tells, or others' functions use the table."""
    from b2bpilot.pipeline.dsn import role_of

    if pilot.settings.environment is None or table.option:
        return None
    try:
        return role_of(pilot.secret_s_database_url)
    except PilotError:
        return None


def _target(pilot: Pilot) -> str:
    """Where the table is; with the environment when it was asked for the database."""
    from b2bpilot.pipeline.dsn import place

    where = place(pilot.database_url)
    settings = pilot.settings
    return f"{where}, {pilot.environment}" if settings.environment and not settings.database_url else where


def _author(reason: str | None) -> Author:
    from b2bpilot.ops.migrations import Author

    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = "unknown"
    return Author(operator=f"{user}@{platform.node()}", reason=reason)
