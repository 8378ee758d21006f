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
