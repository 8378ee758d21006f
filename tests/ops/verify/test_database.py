"""The checks of the database on a real one, broken by SQL: each breakage has its own code."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import psycopg
import pytest

from b2bpilot.ops import migrations
from b2bpilot.ops.migrations.schema import Schema
from b2bpilot.ops.verify.check import CheckResult, Status
from b2bpilot.ops.verify.checks.database import rows, schema
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.table import DatabaseReading
from tests.breaking import breaks
from tests.ops.table.databases import PROVEN, UNPROVEN
from tests.ops.verify.deployments import deployment, look, seen

CODES = [check.code for check in (*schema.CHECKS, *rows.CHECKS)]
TABLE = "b2b_pilot_user_submissions"
MESSAGE = "0d2c7a52-6a2b-5b0f-8f43-0f9b6f1f3c11"
LONG_AGO = "now() - interval '1 hour'"


def looked_at(url: str) -> dict[str, CheckResult]:
    return look(CODES, at(url))


def at(url: str) -> Deployment:
    return deployment(given_database_url=url, known={"database proof": PROVEN})


def red(url: str) -> dict[str, CheckResult]:
    return {
        code: one for code, one in looked_at(url).items() if one.status in (Status.FAILED, Status.WARNING)
    }


def test_a_table_that_the_role_does_not_see_is_not_said_to_be_missing(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("CREATE SCHEMA app")
        owner.execute(f"ALTER TABLE {TABLE} SET SCHEMA app")

    found = red(database_url)["B2B077"]

    assert found.seen.startswith(f"postgres does not see {TABLE} in schema app: as its owner: GRANT USAGE")
    assert not found.fix


def run(url: str, *statements: LiteralString) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def broken(url: str, *statements: LiteralString) -> CheckResult:
    """Return the one thing that is red after this."""
    run(url, *statements)
    found = red(url)
    assert len(found) == 1, {code: one.seen for code, one in found.items()}
    return next(iter(found.values()))


def add_row(url: str, **columns: str) -> None:
    """Insert a row; the values are SQL."""
    given = {"message_id": f"'{MESSAGE}'", "status": "'processing'", "updated_at": LONG_AGO, **columns}
    names, values = ", ".join(given), ", ".join(given.values())
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"INSERT INTO {TABLE} ({names}) VALUES ({values})".encode())


def test_a_migrated_database_is_all_right(database_url: str) -> None:
    found = looked_at(database_url)

    assert {one.status for one in found.values()} == {Status.OK}
    assert "as --database-url names it" in found["B2B075"].seen


@breaks("B2B110")
def test_a_database_that_is_not_proven_to_be_the_processors_is_a_warning(database_url: str) -> None:
    at_a_copy = deployment(given_database_url=database_url, known={"database proof": UNPROVEN})

    found = look(["B2B075", "B2B110"], at_a_copy)["B2B110"]

    assert found.status is Status.WARNING
    assert UNPROVEN.place in found.seen


@breaks("B2B075")
def test_a_database_that_does_not_answer_is_found_and_may_come_back() -> None:
    found = looked_at("postgresql://pilot:secret@127.0.0.1:1/b2bpilot")

    assert [code for code, one in found.items() if one.status is Status.FAILED] == ["B2B075"]
    assert {one.status for code, one in found.items() if code != "B2B075"} == {Status.SKIPPED}
    assert found["B2B075"].may_change
    assert "secret" not in found["B2B075"].seen


@breaks("B2B077")
def test_a_missing_table_is_found(empty_database_url: str) -> None:
    found = red(empty_database_url)

    assert list(found) == ["B2B077"]
    assert (
        found["B2B077"].fix
        == 'b2bpilot migrate -e staging --region eu-west-1 --database-url "${B2BPILOT_DATABASE_URL:?export it first}" --yes'
    )


@breaks("B2B078")
def test_a_missing_column_is_found(database_url: str) -> None:
    found = broken(database_url, f"ALTER TABLE {TABLE} DROP COLUMN message_id")

    assert found.check.code == "B2B078"


@breaks("B2B083")
def test_a_column_of_the_first_migration_is_brought_back_by_the_printed_statement(database_url: str) -> None:
    found = broken(database_url, f"ALTER TABLE {TABLE} DROP COLUMN num_media")

    statement = "ADD COLUMN num_media integer NOT NULL DEFAULT 0"
    assert found.check.code == "B2B083"
    assert (
        f"but lacks num_media. Nothing was run; if the table is this pipeline's, run ALTER TABLE {TABLE} {statement};"
        in found.seen
    )
    assert f'{statement}" && b2bpilot migrate' in str(found.fix)


@pytest.mark.parametrize(
    ("column", "codes"),
    [("body", ["B2B150", "B2B083"]), ("params", ["B2B150"]), ("message_id", ["B2B078"])],
)
def test_a_renamed_column_gets_its_name_back(database_url: str, column: str, codes: list[str]) -> None:
    """What it held is there, so nobody is sent to a backup, and no empty column is made beside it."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"ALTER TABLE {TABLE} RENAME COLUMN {column} TO {column}_x".encode())

    found = look([*CODES, "B2B150"], at(database_url))
    back = f"ALTER TABLE {TABLE} RENAME COLUMN {column}_x TO {column}"

    for one in (found[code] for code in codes):
        assert f"{column} may have been renamed to {column}_x" in one.seen
        assert f'-c "{back}" && b2bpilot migrate' in str(one.fix)
        assert "ADD COLUMN" not in f"{one.seen}{one.fix}"
        assert "backup" not in one.seen
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(back.encode())
    assert red(database_url) == {}


@breaks("B2B078")
def test_a_column_that_holds_no_text_is_found_and_no_command_is_offered(database_url: str) -> None:
    found = broken(
        database_url,
        f"ALTER TABLE {TABLE} DROP COLUMN message_id",
        f"ALTER TABLE {TABLE} ADD COLUMN message_id bigint",
    )

    assert (found.check.code, found.fix) == ("B2B078", None)
    assert "rename it" in found.seen


@breaks("B2B079")
def test_a_dropped_index_is_found_and_migrating_makes_it_again(database_url: str) -> None:
    found = broken(database_url, "DROP INDEX idx_user_submissions_message_id")
    migrations.apply(database_url)

    assert found.check.code == "B2B079"
    assert red(database_url) == {}


@breaks("B2B080")
def test_an_invalid_index_is_found_and_migrating_makes_it_again(database_url: str) -> None:
    found = broken(
        database_url,
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_user_submissions_message_id'::regclass",
    )
    migrations.apply(database_url)

    assert found.check.code == "B2B080"
    assert red(database_url) == {}


@breaks("B2B081")
@pytest.mark.parametrize(
    ("definition", "told"),
    [
        ("INDEX {} (message_id)", "not unique, on message_id"),
        ("UNIQUE INDEX {} (message_id, status)", "unique, on message_id, status"),
        ("UNIQUE INDEX {} (message_sid)", "unique, on message_sid"),
        ("UNIQUE INDEX {} (message_id) WHERE NOT test", "unique, on message_id, with a WHERE clause"),
        ("UNIQUE INDEX {} (lower(message_id))", "unique, on (expression)"),
    ],
)
def test_an_index_that_lets_duplicates_in_is_found(database_url: str, definition: str, told: str) -> None:
    name = "idx_user_submissions_message_id ON b2b_pilot_user_submissions"
    run(database_url, "DROP INDEX idx_user_submissions_message_id")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(f"CREATE {definition.format(name)}".encode())

    found = red(database_url)

    assert list(found) == ["B2B081"]
    assert found["B2B081"].seen == f"idx_user_submissions_message_id is {told}"
    assert found["B2B081"].fix is not None
    assert "DROP INDEX CONCURRENTLY idx_user_submissions_message_id" in found["B2B081"].fix


@breaks("B2B082")
def test_a_pending_migration_is_found(database_url: str) -> None:
    found = broken(
        database_url,
        "DROP INDEX idx_user_submissions_old_rows",
        "DELETE FROM b2bpilot_migrations WHERE name = 'add_old_rows_index.sql'",
    )

    assert (found.check.code, found.seen) == ("B2B082", "add_old_rows_index.sql is pending")


@breaks("B2B082")
def test_a_column_that_was_dropped_later_is_found(database_url: str) -> None:
    found = broken(database_url, f"ALTER TABLE {TABLE} DROP COLUMN reply_error")

    assert (found.check.code, found.seen) == ("B2B082", "add_processing_columns.sql is damaged")


@breaks("B2B083")
@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE b2bpilot_migrations SET checksum = repeat('0', 64)", "has changed since b2bpilot"),
        (
            "UPDATE b2bpilot_migrations SET name = 'later.sql' WHERE name LIKE 'add_r%'",
            "ahead of this version",
        ),
    ],
)
def test_migrations_of_another_version_are_found(
    database_url: str, statement: LiteralString, told: str
) -> None:
    found = broken(database_url, statement)

    assert (found.check.code, found.fix) == ("B2B083", None)
    assert told in found.seen


@breaks("B2B076")
def test_a_connection_in_plain_text_is_found() -> None:
    table = DatabaseReading(
        place="b2bpilot at db.example.com",
        server_version="18.4",
        is_local=False,
        is_encrypted=False,
        skew=timedelta(),
        schema=Schema(columns={}, indexes={}),
    )

    assert seen("B2B076", deployment(known={"table": table})).status is Status.WARNING
    encrypted = deployment(known={"table": replace(table, is_encrypted=True)})
    assert seen("B2B076", encrypted).status is Status.OK


@breaks("B2B103")
@pytest.mark.parametrize(
    ("offset", "told"),
    [(timedelta(seconds=90), "behind AWS's"), (timedelta(minutes=-3), "ahead of AWS's")],
)
def test_clocks_that_differ_are_found(database_url: str, offset: timedelta, told: str) -> None:
    wrong = deployment(given_database_url=database_url)
    hear(wrong, machine=timedelta(), aws=offset)

    found = seen("B2B103", wrong)

    assert found.status is Status.WARNING
    assert told in found.seen


@breaks("B2B103")
@pytest.mark.parametrize("offset", [timedelta(minutes=-4), timedelta(days=30)])
def test_a_wrong_clock_of_this_machine_is_not_the_database_s(database_url: str, offset: timedelta) -> None:
    right = deployment(given_database_url=database_url)
    hear(right, machine=offset, aws=timedelta())

    assert seen("B2B103", right).status is Status.OK


def hear(deployment: Deployment, *, machine: timedelta, aws: timedelta) -> None:
    """Let AWS tell its time to a machine; both are so far ahead of the database's."""
    clock = deployment.access.clock
    clock.machine = lambda: datetime.now(UTC) + machine
    clock.tell(datetime.now(UTC) + aws, asked_at=clock.machine())


@breaks("B2B084")
def test_an_abandoned_message_is_found_with_its_id_and_error(database_url: str) -> None:
    add_row(database_url, status="'abandoned'", last_error="'NumMedia is two'")
    found = red(database_url)

    assert list(found) == ["B2B084"]
    assert found["B2B084"].status is Status.FAILED
    assert f"1 abandoned message, the oldest {MESSAGE} since " in found["B2B084"].seen
    assert "(NumMedia is two)" in found["B2B084"].seen


@breaks("B2B085")
@pytest.mark.parametrize(
    "columns",
    [
        {"lease_expires_at": LONG_AGO},
        {"status": "'failed'"},
        {"status": "'pending'"},
        {"status": "'failed'", "next_stale_at": "now() - interval '10 minutes'", "stale_attempts": "2"},
    ],
)
def test_a_message_that_the_stale_processor_left_lying_is_found(
    database_url: str, columns: dict[str, str]
) -> None:
    add_row(database_url, **columns)
    found = red(database_url)

    assert list(found) == ["B2B085"]
    assert found["B2B085"].status is Status.FAILED
    assert found["B2B085"].fix is not None
    assert "lambda invoke --function-name b2b-pilot-stale-message-processor-staging" in found["B2B085"].fix


@breaks("B2B100")
@pytest.mark.parametrize(
    "columns",
    [
        {"updated_at": "now() - interval '10 minutes'"},
        {"next_stale_at": "now() + interval '1 hour'"},
    ],
)
def test_a_failed_message_that_will_be_tried_later_is_a_warning(
    database_url: str, columns: dict[str, str]
) -> None:
    add_row(database_url, status="'failed'", **columns)
    found = red(database_url)

    assert list(found) == ["B2B100"]
    assert found["B2B100"].status is Status.WARNING


@breaks("B2B115")
def test_a_row_with_the_status_of_another_version_is_a_warning_and_hides_nothing(database_url: str) -> None:
    add_row(database_url, status="'parked'")
    add_row(database_url, status="'abandoned'", message_id="'c0ffee00-6a2b-5b0f-8f43-0f9b6f1f3c11'")

    assert sorted(red(database_url)) == ["B2B084", "B2B115"]


def test_a_message_that_a_person_discarded_is_no_problem(database_url: str) -> None:
    add_row(database_url, status="'abandoned'", discarded_by="'20261130T010000Z-discard-0a1b'")

    assert red(database_url) == {}


@breaks("B2B101")
@pytest.mark.parametrize(
    "columns",
    [
        {"lease_expires_at": "now() - interval '1 minute'", "updated_at": "now() - interval '6 minutes'"},
        {"status": "'pending'", "updated_at": "now() - interval '10 minutes'"},
    ],
)
def test_a_message_whose_run_died_is_a_warning_that_may_pass(
    database_url: str, columns: dict[str, str]
) -> None:
    add_row(database_url, **columns)
    found = red(database_url)

    assert list(found) == ["B2B101"]
    assert found["B2B101"].may_change


@breaks("B2B102")
@pytest.mark.parametrize("state", ["'unknown'", "'sending'"])
def test_a_reply_of_which_nobody_knows_is_a_warning(database_url: str, state: str) -> None:
    add_row(database_url, status="'completed'", reply_state=state)

    assert list(red(database_url)) == ["B2B102"]


@pytest.mark.parametrize(
    "columns",
    [
        {"lease_expires_at": "now() + interval '40 seconds'"},
        {"lease_expires_at": "now() - interval '1 minute'", "updated_at": "now() - interval '2 minutes'"},
        {"status": "'failed'", "updated_at": "now()"},
        {"status": "'pending'", "updated_at": "now()"},
        {"status": "'completed'"},
        {"status": "'completed'", "reply_state": "'sent'"},
        {"reply_state": "'sending'", "lease_expires_at": "now() + interval '1 minute'"},
    ],
)
def test_a_message_on_its_way_is_no_problem(database_url: str, columns: dict[str, str]) -> None:
    add_row(database_url, **columns)

    assert red(database_url) == {}


def test_a_test_message_is_told_of_and_no_problem(database_url: str) -> None:
    add_row(database_url, status="'abandoned'", test="true")

    assert seen("B2B084", at(database_url)).seen == "none, but for 1 test message"
    assert red(database_url) == {}
