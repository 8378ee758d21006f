"""Commands that read, asked by a role from which row security hides rows: nothing is known, and that is said."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.message import PilotMessage, Source
from tests.cli.conftest import Run

TABLE = "b2b_pilot_user_submissions"
MESSAGE = "0f1e2d3c-4b5a-4968-8776-655443322110"


@pytest.fixture
def role(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A role with every privilege, and a row that it may not see."""
    name = f"app_{uuid.uuid4().hex[:8]}"
    message = PilotMessage(
        message_id=MESSAGE, source=Source.TWILIO, received_at=datetime.now(UTC), params={"Body": "hello"}
    )
    with DatabaseManager(database_url) as database:
        assert database.claim(message, lease=timedelta(seconds=1)) is not None
    run_as_owner(
        database_url,
        f"CREATE ROLE {name} LOGIN",
        f"GRANT ALL ON {TABLE}, b2bpilot_migrations TO {name}",
        f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY",
    )
    monkeypatch.setenv("B2BPILOT_DATABASE_URL", make_conninfo(database_url, user=name))
    yield name
    run_as_owner(database_url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def run_as_owner(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.mark.parametrize(
    "command",
    [
        ["submissions", "list"],
        ["submissions", "stuck"],
        ["submissions", "show", MESSAGE],
        ["inspect", MESSAGE],
    ],
    ids=lambda words: " ".join(words[:2]),
)
@pytest.mark.parametrize("policy", [None, "USING (test)"])
def test_no_command_says_that_there_is_nothing(
    run: Run, role: str, database_url: str, command: list[str], policy: str | None
) -> None:
    if policy:
        run_as_owner(database_url, f"CREATE POLICY narrow ON {TABLE} {policy}")

    result = run(*command)

    assert result.exit_code not in (0, 3)
    assert "row security may hide rows of" in result.stderr
    assert f"from role {role}, so that it is not known what is there" in result.stderr
    for claim in ("No submissions match", "No trace", "no row"):
        assert claim not in f"{result.stdout} {result.stderr}"


def test_a_policy_that_hides_nothing_hides_nothing(run: Run, role: str, database_url: str) -> None:
    run_as_owner(database_url, f"CREATE POLICY open ON {TABLE} USING (true)")

    result = run("submissions", "list")

    assert result.exit_code == 0
    assert MESSAGE in result.stdout


def test_migrate_refuses_what_verify_would(run: Run, role: str, database_url: str) -> None:
    refused, status = run("migrate", "--yes"), run("migrate", "--status", "-o", "json")
    checked = run("migrate", "--status", "--exit-code")

    assert (refused.exit_code, refused.stdout, checked.exit_code) == (1, "", 1)
    assert f"for role {role}, no policy lets it SELECT any row" in refused.stderr
    assert "Nothing was changed" in refused.stderr
    assert {one["topic"] for one in status.document["obstacles"]} == {"row security"}


def test_what_keeps_a_role_from_rows_is_named_though_it_may_not_read_the_ledger(
    run: Run, role: str, database_url: str
) -> None:
    run_as_owner(database_url, f"REVOKE ALL ON b2bpilot_migrations FROM {role}")

    status = run("migrate", "--status")

    assert status.exit_code == 1
    assert "no policy lets it SELECT any row" in status.stderr
    assert f"GRANT SELECT ON b2bpilot_migrations TO {role}" in status.stderr


READING = [
    ("submissions", "list"),
    ("submissions", "stuck"),
    ("submissions", "show", MESSAGE),
    ("inspect", MESSAGE),
]


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_what_a_role_needs_is_told_by_the_refusal_itself(
    command: tuple[str, ...], run: Run, role: str, database_url: str
) -> None:
    run_as_owner(
        database_url,
        f"ALTER TABLE {TABLE} DISABLE ROW LEVEL SECURITY",
        f"REVOKE ALL ON {TABLE}, b2bpilot_migrations FROM {role}",
        f"GRANT SELECT (message_id, status) ON {TABLE} TO {role}",
    )

    result = run(*command)

    assert result.exit_code == 1
    assert f"permission denied for table {TABLE}" in result.stderr
    if command[0] != "inspect":
        assert f"can GRANT what {role} needs: USAGE on the schema, SELECT to read" in result.stderr


@pytest.fixture
def closed_schema(role: str, database_url: str) -> str:
    """Row security is off, and the role may not look into the table's schema: PostgreSQL says that there is no table."""
    run_as_owner(
        database_url,
        f"ALTER TABLE {TABLE} DISABLE ROW LEVEL SECURITY",
        "REVOKE USAGE ON SCHEMA public FROM PUBLIC",
    )
    return role


@pytest.mark.parametrize("command", READING[:3], ids=" ".join)
def test_a_table_that_the_role_does_not_see_is_not_said_to_be_missing(
    command: tuple[str, ...], run: Run, closed_schema: str
) -> None:
    result = run(*command)

    assert result.exit_code == 1
    assert f"{closed_schema} sees no such table" in result.stderr
    assert f"{closed_schema} lacks USAGE on its schema, or has another search_path" in result.stderr


def test_migrate_makes_no_table_beside_one_that_the_role_does_not_see(run: Run, closed_schema: str) -> None:
    result = run("migrate", "--yes")

    assert result.exit_code == 1
    assert (
        f"role {closed_schema} does not see table {TABLE} in schema public. Nothing was changed"
        in result.stderr
    )
    assert f"GRANT USAGE ON SCHEMA public TO {closed_schema}" in result.stderr
