"""Checks of the category `database`: it answers, and its table is what the pipeline needs."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from b2bpilot.advice import Words, our_command
from b2bpilot.errors import MigrationFailed, PilotError
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.fixes import told
from b2bpilot.ops.verify.table import plan, table
from b2bpilot.pipeline.dsn import role_of
from b2bpilot.pipeline.queries import ARBITER
from b2bpilot.pipeline.row_security import SUBMISSIONS
from b2bpilot.plural import many

if TYPE_CHECKING:
    from b2bpilot.ops.migrations.lost_columns import LostColumns

COLUMN = "message_id"
TOLERATED_SKEW = timedelta(seconds=5)
MIGRATE = our_command("migrate", "--yes")
LOGS = our_command("logs", "processor", "--since", "1h", "--level", "error")
DATABASE_URL = (
    "$(aws secretsmanager get-secret-value --secret-id {database_secret_arn} --query SecretString --output text"
    " | python3 -c 'import json, sys; print(json.load(sys.stdin)[\"DATABASE_URL\"])')"
)


def by_hand(statement: str) -> Words:
    """Return the command that runs a statement which no migration has, and then migrates."""
    return f'psql "{DATABASE_URL}" -c "{statement}" && ' + MIGRATE


def bringing_back_command(lost: LostColumns) -> Words:
    """Return the command that brings back columns which are gone; none where a person has to choose."""
    if lost.needs_choice:
        return ""
    return by_hand(lost.statement) if lost.statement else MIGRATE


REPLACE_INDEX = by_hand(f"DROP INDEX CONCURRENTLY {ARBITER}")
SECRET = ("secretsmanager:GetSecretValue",)


def _answers(deployment: Deployment) -> Answer:
    found = table(deployment)
    origin = f", as {deployment.given_database_from} names it" if deployment.given_database_url else ""
    return holds(f"PostgreSQL {found.server_version}, {found.place}{origin}")


def _is_the_processor_s(deployment: Deployment) -> Answer:
    with deployment.table() as asked:
        proof = asked.proof
    return holds(proof.why) if proof.is_proven else fails(proof.told())


def _is_private(deployment: Deployment) -> Answer:
    found = table(deployment)
    if found.is_encrypted:
        return holds("TLS")
    if found.is_local:
        return holds("it does not leave the machine")
    return fails("the connection is in plain text; put sslmode=verify-full into the DatabaseUrl and deploy")


def _clock_agrees(deployment: Deployment) -> Answer:
    found = table(deployment)
    skew, seconds = found.skew, found.skew.total_seconds()
    if abs(skew) <= TOLERATED_SKEW:
        return holds(
            f"{abs(seconds):.1f} s from {found.skew_from}'s" if seconds else f"{found.skew_from}'s time"
        )
    side = "ahead of" if seconds > 0 else "behind"
    return fails(
        f"the database's clock is {abs(seconds):.0f} s {side} {found.skew_from}'s; one of them is wrong"
    )


def _table_exists(deployment: Deployment) -> Answer:
    schema = table(deployment).schema
    if schema.columns:
        return holds(f"{SUBMISSIONS}, {len(schema.columns)} columns")
    if schema.elsewhere:
        from b2bpilot.ops.migrations.schema import let_see

        who = role_of(deployment.database_url) or "the role"
        hidden = f"{who} does not see {SUBMISSIONS} in schema {', '.join(schema.elsewhere)}"
        return fails(f"{hidden}: {let_see(schema.elsewhere, who)}", fix="")
    return fails(f"there is no table {SUBMISSIONS}")


def _column_exists(deployment: Deployment) -> Answer:
    category = table(deployment).schema.columns.get(COLUMN)
    if category is None:
        return _identity_gone(deployment)
    if category != "S":
        return fails(f"column {COLUMN} does not hold text: rename it, then migrate", fix="")
    return holds("it holds text")


def _identity_gone(deployment: Deployment) -> Answer:
    """Under its old name it is who each row is: `migrate` would make an empty one beside it."""
    from b2bpilot.ops.migrations.lost_columns import lost_columns

    told, lost = f"{SUBMISSIONS} has no column {COLUMN}", lost_columns(table(deployment).schema)
    return fails(f"{told} ({lost.told})", fix=bringing_back_command(lost)) if lost.told else fails(told)


def _index_exists(deployment: Deployment) -> Answer:
    found = table(deployment).schema.indexes
    return holds(ARBITER) if ARBITER in found else fails(f"{SUBMISSIONS} has no index {ARBITER}")


def _index_valid(deployment: Deployment) -> Answer:
    if table(deployment).schema.indexes[ARBITER].valid:
        return holds("it is used")
    return fails(
        "an interrupted build left it invalid: ON CONFLICT cannot use it, and it may let a duplicate in"
    )


def _index_unique(deployment: Deployment) -> Answer:
    index = table(deployment).schema.indexes[ARBITER]
    columns = ", ".join(index.columns)
    kind = "unique" if index.unique else "not unique"
    where = ", with a WHERE clause" if index.partial else ""
    seen = f"{kind}, on {columns}{where}"
    is_right = index.unique and index.columns == [COLUMN] and not index.partial
    return holds(seen) if is_right else fails(f"{ARBITER} is {seen}")


def _ledger_sound(deployment: Deployment) -> Answer:
    from b2bpilot.ops.migrations import require_sound
    from b2bpilot.ops.migrations.lost_columns import lost_columns

    found = plan(deployment)
    try:
        require_sound(found)
    except MigrationFailed as exc:
        lost = lost_columns(table(deployment).schema)
        return fails(told(exc, deployment, "; "), fix=bringing_back_command(lost) if lost.told else "")
    except PilotError as exc:
        return fails(told(exc, deployment, "; "), fix="")
    return holds(f"{many(len(found.migrations), 'migration')}, all of them this version's")


def _all_applied(deployment: Deployment) -> Answer:
    found = plan(deployment)
    if not found.pending:
        return holds(", ".join(migration.name for migration in found.migrations))
    if found.migrator:
        return fails(f"a migration is running: {found.migrator}", may_change=True, fix="")
    return fails(", ".join(f"{migration.name} is {migration.state}" for migration in found.pending))


check = partial(Check, category=Category.DATABASE, actions=SECRET, needs=("B2B075",))

CHECKS = (
    check(
        code="B2B075",
        statement="the database answers",
        why="Every message becomes a row in it. The functions' own errors tell whether they do not reach it either.",
        fix=LOGS,
        probe=_answers,
        unless_failed=("B2B010", "B2B016", "B2B017", "B2B018"),
        needs=(),
    ),
    check(
        code="B2B110",
        statement="the database that is asked is the processor's",
        why="A row in another one, such as a restored copy, says nothing of a message: what it calls stored may be lost.",
        probe=_is_the_processor_s,
        severity=Severity.WARNING,
        actions=(*SECRET, "logs:FilterLogEvents"),
    ),
    check(
        code="B2B076",
        statement="the connection to the database is encrypted, or does not leave the machine",
        why="Customers' messages and the password travel over it.",
        probe=_is_private,
        severity=Severity.WARNING,
    ),
    check(
        code="B2B103",
        statement="the database's clock agrees with AWS's",
        why="Leases, stale messages and latencies are counted by the database's clock.",
        probe=_clock_agrees,
        severity=Severity.WARNING,
    ),
    check(
        code="B2B077",
        statement="the table of submissions exists",
        why="Without it no message can be stored: each becomes a dead letter.",
        fix=MIGRATE,
        probe=_table_exists,
    ),
    check(
        code="B2B078",
        statement=f"the table has the column {COLUMN}",
        why="It holds the identity of a message; without it no message can be stored.",
        fix=MIGRATE,
        probe=_column_exists,
        needs=("B2B077",),
    ),
    check(
        code="B2B079",
        statement=f"the column {COLUMN} has its index",
        why="Without it the processor's ON CONFLICT is refused, and every message becomes a dead letter.",
        fix=MIGRATE,
        probe=_index_exists,
        needs=("B2B078",),
    ),
    check(
        code="B2B080",
        statement=f"the index on {COLUMN} is valid",
        why="An invalid index answers no ON CONFLICT and may let a message in twice.",
        fix=MIGRATE,
        probe=_index_valid,
        needs=("B2B079",),
    ),
    check(
        code="B2B081",
        statement=f"the index on {COLUMN} is unique, on that column alone",
        why="Only a unique index keeps a message that is delivered twice from being stored twice.",
        fix=REPLACE_INDEX,
        probe=_index_unique,
        needs=("B2B079",),
    ),
    check(
        code="B2B083",
        statement="the recorded migrations are this version's",
        why="If a file was changed after it ran, is a newer version's, or what it made is gone, the state of the table is unknown.",
        fix=our_command("migrate", "--dry-run"),
        probe=_ledger_sound,
        needs=("B2B080", "B2B081"),
    ),
    check(
        code="B2B082",
        statement="no migration is pending",
        why="This version's functions write columns that the migrations add.",
        fix=MIGRATE,
        probe=_all_applied,
        needs=("B2B083",),
    ),
)
