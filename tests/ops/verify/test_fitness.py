"""The checks of what a table refuses and hides, on a real database: one code for each kind, for the functions' own role."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from b2bpilot.ops.verify.check import CheckResult, Status
from tests.breaking import breaks
from tests.ops.verify.deployments import DATABASE_SECRET, deployment, look

CODES = ["B2B075", "B2B077", "B2B150", "B2B151", "B2B152", "B2B153", "B2B154"]
TABLE = "b2b_pilot_user_submissions"


@pytest.fixture
def role(database_url: str) -> Iterator[str]:
    """The functions' role, with all that it needs."""
    name = f"functions_{uuid.uuid4().hex[:8]}"
    run(database_url, f"CREATE ROLE {name} LOGIN", f"GRANT SELECT, INSERT, UPDATE ON {TABLE} TO {name}")
    yield name
    run(database_url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def looked_at(url: str, *, role: str | None = None) -> dict[str, CheckResult]:
    """The operator's own URL is another role's, as a rule: the secret names the functions'."""
    secret = {"DATABASE_URL": make_conninfo(url, user=role)} if role else {}
    return look(CODES, deployment(given_database_url=url, known={DATABASE_SECRET: secret}))


def red(found: dict[str, CheckResult]) -> dict[str, Status]:
    return {code: one.status for code, one in found.items() if one.status in (Status.FAILED, Status.WARNING)}


def test_a_role_that_may_do_what_it_has_to_is_all_right(database_url: str, role: str) -> None:
    found = looked_at(database_url, role=role)

    assert {one.status for one in found.values()} == {Status.OK}
    assert found["B2B151"].seen == f"role {role} may SELECT, INSERT and UPDATE"


def test_where_the_secret_does_not_tell_the_role_that_is_said(database_url: str) -> None:
    found = looked_at(database_url)

    assert "the functions' own role is not known here" in found["B2B151"].seen
    assert "the functions' own role is not known here" in found["B2B152"].seen


@breaks("B2B150")
def test_a_column_that_refuses_messages_is_found(database_url: str, role: str) -> None:
    run(database_url, f"ALTER TABLE {TABLE} ALTER created_at TYPE timestamp, ALTER body TYPE varchar(20)")

    found = looked_at(database_url, role=role)

    assert red(found) == {"B2B150": Status.FAILED}
    assert "column created_at is timestamp without time zone" in found["B2B150"].seen
    assert f"ALTER TABLE {TABLE} ALTER COLUMN body TYPE text" in found["B2B150"].seen


@breaks("B2B150")
def test_a_column_that_is_gone_is_found_with_the_statement_that_brings_it_back(
    database_url: str, role: str
) -> None:
    run(database_url, f"ALTER TABLE {TABLE} DROP COLUMN num_media, ALTER body TYPE varchar(20)")

    found = looked_at(database_url, role=role)["B2B150"]

    statement = f"ALTER TABLE {TABLE} ADD COLUMN num_media integer NOT NULL DEFAULT 0"
    assert found.status is Status.FAILED
    assert found.seen.startswith(
        f"{TABLE} has no column num_media: messages are refused for it ({statement};"
    )
    assert "ALTER COLUMN body TYPE text" in found.seen
    assert str(found.fix).startswith('psql "${B2BPILOT_DATABASE_URL:?')
    assert f'" -c "{statement}" && b2bpilot migrate' in str(found.fix)


@breaks("B2B150")
def test_a_column_that_migrate_makes_again_leads_there(database_url: str, role: str) -> None:
    run(database_url, f"ALTER TABLE {TABLE} DROP COLUMN params, DROP COLUMN source")

    found = looked_at(database_url, role=role)["B2B150"]

    assert found.seen == f"{TABLE} has no columns source, params: messages are refused for it"
    assert str(found.fix).startswith("b2bpilot migrate ")


@breaks("B2B150")
def test_between_two_columns_that_may_be_the_lost_one_a_person_chooses(database_url: str, role: str) -> None:
    run(
        database_url,
        f"ALTER TABLE {TABLE} RENAME COLUMN body TO wording",
        f'ALTER TABLE {TABLE} ADD COLUMN "A note" text',
    )

    found = looked_at(database_url, role=role)["B2B150"]

    assert f"if so, ALTER TABLE {TABLE} RENAME COLUMN wording TO body or" in found.seen
    assert (
        f"if not, ALTER TABLE {TABLE} ADD COLUMN body text, and what was in body is in a backup" in found.seen
    )
    assert '"A note"' in found.seen
    assert found.fix is None


def test_one_fault_has_one_code(database_url: str, role: str) -> None:
    run(database_url, f"ALTER TABLE {TABLE} DROP COLUMN message_id")

    assert red(looked_at(database_url, role=role)) == {}


@breaks("B2B151")
def test_a_privilege_that_the_functions_lack_is_found_though_the_operator_has_it(
    database_url: str, role: str
) -> None:
    run(database_url, f"REVOKE UPDATE ON {TABLE} FROM {role}")

    found = looked_at(database_url, role=role)

    assert red(found) == {"B2B151": Status.FAILED}
    assert f"role {role} may not UPDATE (as postgres: GRANT UPDATE" in found["B2B151"].seen


@breaks("B2B152")
def test_row_security_without_a_policy_is_found(database_url: str, role: str) -> None:
    run(database_url, f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY")

    found = looked_at(database_url, role=role)

    assert red(found) == {"B2B152": Status.FAILED}
    assert f"for role {role}, no policy lets it SELECT any row" in found["B2B152"].seen


def test_who_asks_as_the_role_that_is_kept_out_sees_it_too(database_url: str, role: str) -> None:
    run(database_url, f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY")

    found = looked_at(make_conninfo(database_url, user=role), role=role)

    assert red(found) == {"B2B152": Status.FAILED}


@breaks("B2B153")
def test_an_encoding_that_cannot_hold_every_message_is_found(postgres_server: str) -> None:
    name = f"encoded_{uuid.uuid4().hex}"
    run(postgres_server, f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")

    found = looked_at(make_conninfo(postgres_server, dbname=name))

    assert red(found) == {"B2B077": Status.FAILED, "B2B153": Status.FAILED}
    assert "LATIN1 cannot hold every character, such as an emoji" in found["B2B153"].seen


@breaks("B2B154")
@pytest.mark.parametrize(
    ("statements", "doubted"),
    [
        (
            [
                "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
                f"CREATE TRIGGER stamped BEFORE UPDATE ON {TABLE} FOR EACH ROW EXECUTE FUNCTION stamp()",
            ],
            "B2B150",
        ),
        (
            [
                f"ALTER TABLE {TABLE} ENABLE ROW LEVEL SECURITY",
                f"CREATE POLICY tenants ON {TABLE} USING (NOT test)",
            ],
            "B2B152",
        ),
    ],
)
def test_what_cannot_be_proven_is_a_warning_and_never_fine(
    database_url: str, role: str, statements: list[str], doubted: str
) -> None:
    run(database_url, *statements)

    found = looked_at(database_url, role=role)

    assert red(found) == {"B2B154": Status.WARNING}
    assert found[doubted].seen.endswith("as far as B2B154 can tell")
