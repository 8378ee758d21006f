"""What a table has that refuses messages: found before anything is changed, by one function for `migrate` and `verify`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from b2bpilot.errors import MigrationFailed
from b2bpilot.ops import migrations
from b2bpilot.ops.migrations import Fitness, FitnessTopic
from tests.ops.migrations.tables import TABLE, connect

LEGACY: LiteralString = """
    CREATE TABLE b2b_pilot_user_submissions (
        id serial PRIMARY KEY, message_sid varchar(34) UNIQUE, from_number varchar(20), to_number varchar(20),
        body text, num_media int DEFAULT 0, status varchar(20) DEFAULT 'pending',
        created_at timestamp DEFAULT now(), updated_at timestamp DEFAULT now())
"""


def after(url: str, *statements: str, role: str | None = None) -> Fitness:
    with connect(url) as connection:
        for statement in statements:
            connection.execute(statement.encode())
    return migrations.fitness(url, functions_role=role)


def alter(what: str) -> str:
    return f"ALTER TABLE {TABLE} {what}"


@contextmanager
def a_role(url: str) -> Iterator[str]:
    """A role of the whole server, gone afterwards: a name that has to be quoted."""
    name = f"app-{uuid.uuid4().hex[:8]}"
    with connect(url) as connection:
        connection.execute(f'CREATE ROLE "{name}" LOGIN'.encode())
        try:
            yield name
        finally:
            connection.execute(f'DROP OWNED BY "{name}"'.encode())
            connection.execute(f'DROP ROLE "{name}"'.encode())


def test_a_migrated_table_takes_every_message(database_url: str) -> None:
    assert migrations.fitness(database_url).findings == ()


def test_an_old_table_that_breaks_reading_or_refuses_messages_is_not_adopted(empty_database_url: str) -> None:
    with connect(empty_database_url) as connection:
        connection.execute(LEGACY)

    for call in (migrations.survey, migrations.apply):
        with pytest.raises(MigrationFailed) as raised:
            call(empty_database_url)
        told = str(raised.value)
        assert "column created_at is timestamp without time zone, not timestamptz" in told
        assert "column from_number is character varying(20): a message may have 140 characters there" in told
        assert told.endswith("Nothing was changed")
        assert "ALTER COLUMN from_number TYPE text" in str(raised.value.hint)
    with connect(empty_database_url) as connection:
        assert connection.execute("SELECT to_regclass('b2bpilot_migrations')").fetchone() == (None,)


def test_what_the_refusal_names_makes_an_old_table_fit(empty_database_url: str) -> None:
    with connect(empty_database_url) as connection:
        connection.execute(LEGACY)
    for finding in migrations.fitness(empty_database_url).obstacles:
        after(empty_database_url, finding.remedy.partition(" (")[0])

    assert migrations.apply(empty_database_url).fitness.findings == ()


COLUMNS = {
    "jsonb": ("ALTER params TYPE jsonb", "column params is jsonb, not json"),
    "char": ("ALTER status TYPE char(20)", "column status is character(20), not text: it pads"),
    "name": ("ALTER from_number TYPE name", "column from_number is name, not text"),
    "short": ("ALTER body TYPE varchar(160)", "column body is character varying(160)"),
    "precise": ("ALTER received_at TYPE timestamp", "column received_at is timestamp without time zone"),
    "required": ("ALTER from_number SET NOT NULL", "column from_number must not be NULL"),
    "required with a default": ("ALTER body SET DEFAULT '', ALTER body SET NOT NULL", "column body must not be NULL"),
    "no default": ("ALTER num_media DROP DEFAULT", "column num_media must not be NULL and has no default"),
    "nobody's time": ("ALTER updated_at DROP NOT NULL, ALTER updated_at DROP DEFAULT", "column updated_at has no default"),
    "another's": ("ADD shop int NOT NULL", "column shop is not a column of this pipeline"),
    "generated": (
        "DROP num_media, ADD num_media int GENERATED ALWAYS AS (length(body)) STORED",
        "column num_media is generated",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "told"), COLUMNS.values(), ids=COLUMNS)
def test_a_column_that_refuses_messages_is_an_obstacle(database_url: str, change: str, told: str) -> None:
    (found,) = after(database_url, alter(change)).findings

    assert (found.topic, found.is_proven) == (FitnessTopic.TABLE, True)
    assert found.text.startswith(told)


@pytest.mark.parametrize(
    "harmless",
    [
        "ADD shop int",
        "ADD shop int NOT NULL DEFAULT 1",
        "ADD doubled text GENERATED ALWAYS AS (body || body) STORED",
        "ALTER body TYPE varchar(5000)",
        "ALTER created_at TYPE timestamptz(3)",
        "ADD CONSTRAINT counts CHECK (num_media >= 0)",
        "ADD CONSTRAINT known CHECK (status IN ('pending', 'processing', 'failed', 'completed', 'abandoned'))",
        "ADD UNIQUE (message_sid)",
        "REPLICA IDENTITY FULL",
    ],
)
def test_what_refuses_nothing_is_no_finding(database_url: str, harmless: str) -> None:
    assert after(database_url, alter(harmless)).findings == ()


OBSTACLES = {
    "status": ([alter("ADD CONSTRAINT s CHECK (status IN ('pending', 'processing'))")], "it refuses failed, completed"),
    "count": ([alter("ADD CONSTRAINT n CHECK (num_media < 5)")], "check n on num_media: it refuses 5, 6"),
    "foreign key": (
        ["CREATE TABLE customer (number text PRIMARY KEY)", alter("ADD CONSTRAINT f FOREIGN KEY (from_number) REFERENCES customer")],
        "foreign key f on from_number: a message with a value that is not there is refused",
    ),
    "unique": ([f"CREATE UNIQUE INDEX one ON {TABLE} (from_number, body)"], "unique index one on from_number, body"),
    "long texts": ([f"CREATE INDEX texts ON {TABLE} (body)"], "index texts on body: a long text"),
    "rule": ([f"CREATE RULE quiet AS ON INSERT TO {TABLE} DO ALSO NOTHING"], "rule quiet: ON CONFLICT does not work"),
    "unlogged": ([alter("SET UNLOGGED")], f"{TABLE} is unlogged: after a crash of the server it is empty"),
    "inherited": ([f"CREATE TABLE child () INHERITS ({TABLE})"], "table child inherits from"),
    "published": (
        [alter("DROP CONSTRAINT b2b_pilot_user_submissions_pkey"), f"CREATE PUBLICATION p FOR TABLE {TABLE}"],
        "has no replica identity and is published (p): every UPDATE is refused",
    ),
    "published with all": (
        [alter("REPLICA IDENTITY NOTHING"), "CREATE PUBLICATION all_of_it FOR ALL TABLES"],
        "has no replica identity and is published (all_of_it)",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("statements", "told"), OBSTACLES.values(), ids=OBSTACLES)
def test_what_refuses_messages_is_an_obstacle(database_url: str, statements: list[str], told: str) -> None:
    (found,) = after(database_url, *statements).findings

    assert (found.topic, found.is_proven) == (FitnessTopic.TABLE, True)
    assert told in found.text


KINDS: dict[str, tuple[list[LiteralString], str]] = {
    "view": (
        ["ALTER TABLE b2b_pilot_user_submissions RENAME TO real", "CREATE VIEW b2b_pilot_user_submissions AS SELECT * FROM real"],
        "is a view, not a plain table",
    ),
    "partitioned": (
        [
            "CREATE TABLE made (LIKE b2b_pilot_user_submissions INCLUDING DEFAULTS) PARTITION BY RANGE (created_at)",
            "DROP TABLE b2b_pilot_user_submissions",
            "ALTER TABLE made RENAME TO b2b_pilot_user_submissions",
            "ALTER TABLE b2b_pilot_user_submissions ALTER id ADD GENERATED BY DEFAULT AS IDENTITY",
        ],
        "is a partitioned table, not a plain table: no unique index on message_id alone can be made",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("statements", "told"), KINDS.values(), ids=KINDS)
def test_what_is_no_plain_table_is_an_obstacle(
    database_url: str, statements: list[LiteralString], told: str
) -> None:
    assert (
        told
        in {one.topic: one.text for one in after(database_url, *statements).obstacles}[FitnessTopic.TABLE]
    )


DOUBTS = {
    "trigger": (
        [
            "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            f"CREATE TRIGGER stamped BEFORE UPDATE ON {TABLE} FOR EACH ROW EXECUTE FUNCTION stamp()",
        ],
        "trigger stamped: what its function does",
    ),
    "check": ([alter("ADD CONSTRAINT tight CHECK (length(body) < 9000)")], "check tight on body: whether every message"),
    "domain": (
        ["CREATE DOMAIN number AS text CHECK (value LIKE '+%')", alter("ALTER from_number TYPE number")],
        "column from_number is of domain number",
    ),
    "namesake": (["CREATE SCHEMA \"Of old\"", f"CREATE TABLE \"Of old\".{TABLE} (id int)"], 'same name in schema "Of old"'),
}  # fmt: skip


@pytest.mark.parametrize(("statements", "told"), DOUBTS.values(), ids=DOUBTS)
def test_what_the_catalogue_cannot_judge_is_a_doubt(
    database_url: str, statements: list[str], told: str
) -> None:
    (found,) = after(database_url, *statements).findings

    assert not found.is_proven
    assert told in found.text


def test_a_disabled_trigger_is_none(database_url: str) -> None:
    assert after(database_url, *DOUBTS["trigger"][0], alter("DISABLE TRIGGER stamped")).findings == ()


@pytest.mark.parametrize(
    ("granted", "told"),
    [
        ([], ["may not SELECT", "may not INSERT", "may not UPDATE"]),
        ([f"GRANT SELECT, INSERT ON {TABLE} TO "], ["may not UPDATE"]),
        (
            [f"GRANT SELECT, INSERT ON {TABLE} TO ", f"GRANT UPDATE (status, attempts) ON {TABLE} TO "],
            ["may not UPDATE on message_sid, from_number, to_number and 20 more columns"],
        ),
        ([f"GRANT SELECT, INSERT, UPDATE ON {TABLE} TO "], []),
    ],
)
def test_the_role_of_the_functions_is_asked_about_whoever_asks(
    database_url: str, granted: list[str], told: list[str]
) -> None:
    with a_role(database_url) as role:
        found = after(database_url, *(f'{grant}"{role}"' for grant in granted), role=role)

    assert {one.topic for one in found.findings} <= {FitnessTopic.PRIVILEGES}
    assert len(found.obstacles) == len(told)
    for one, text in zip(found.obstacles, told, strict=True):
        assert f"role {role} {text}" in one.text
        assert f'TO "{role}"' in one.remedy


def test_what_a_default_and_a_schema_want_is_granted_as_well(empty_database_url: str) -> None:
    with connect(empty_database_url) as connection:
        connection.execute('CREATE SCHEMA "My own"')
        name = str(conninfo_to_dict(empty_database_url)["dbname"])
        connection.execute(f'ALTER DATABASE {name} SET search_path = "My own"'.encode())
    migrations.apply(empty_database_url)
    with a_role(empty_database_url) as role:
        statements = [
            alter("ALTER id DROP IDENTITY"),
            'CREATE SEQUENCE "My own".numbers',
            alter("ALTER id SET DEFAULT nextval('\"My own\".numbers')"),
            f'GRANT SELECT, INSERT, UPDATE ON {TABLE} TO "{role}"',
        ]
        found = after(empty_database_url, *statements, role=role)

    texts = [one.text for one in found.obstacles]
    assert texts == [
        f'role {role} lacks USAGE on schema "My own"',
        f"role {role} may not use sequence numbers, from which a column takes its default",
    ]
    assert "whether role" in found.doubts[0].text


def test_a_table_where_the_role_does_not_look_is_not_made_twice(empty_database_url: str) -> None:
    with connect(empty_database_url) as connection:
        connection.execute("CREATE SCHEMA of_the_app")
        connection.execute("SET search_path = of_the_app")
        connection.execute(LEGACY)

    with pytest.raises(MigrationFailed, match="is in schema of_the_app, where role postgres does not look"):
        migrations.apply(empty_database_url)


def test_a_role_that_is_not_there_is_an_obstacle(database_url: str) -> None:
    (found,) = migrations.fitness(database_url, functions_role="nobody_here").findings

    assert found.text == "there is no role nobody_here in this server, which the functions are"


OPEN, NARROW = "USING (true)", "USING (NOT test)"
POLICIES: dict[str, tuple[list[str], list[tuple[bool, str]]]] = {
    "none": ([], [(True, "no policy lets it SELECT"), (True, "no policy lets it INSERT"), (True, "no policy lets it UPDATE")]),
    "open": ([f"CREATE POLICY p ON {TABLE} {OPEN}"], []),
    "open to read": (
        [f"CREATE POLICY p ON {TABLE} FOR SELECT {OPEN}"],
        [(True, "no policy lets it INSERT any row"), (True, "no policy lets it UPDATE any row")],
    ),
    "narrow": (
        [f"CREATE POLICY p ON {TABLE} {NARROW}"],
        [(False, "SELECT reaches the rows that policy p allows"), (False, "INSERT"), (False, "UPDATE")],
    ),
    "narrowed": (
        [f"CREATE POLICY p ON {TABLE} {OPEN}", f"CREATE POLICY q ON {TABLE} AS RESTRICTIVE FOR SELECT {NARROW}"],
        [(False, "SELECT reaches the rows that policies p, q allow")],
    ),
    "another's": (
        [f"CREATE POLICY p ON {TABLE} TO pg_monitor {OPEN}"],
        [(True, "SELECT"), (True, "INSERT"), (True, "UPDATE")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("policies", "told"), POLICIES.values(), ids=POLICIES)
def test_policies_are_judged_command_by_command(
    database_url: str, policies: list[str], told: list[tuple[bool, str]]
) -> None:
    with a_role(database_url) as role:
        grant = f'GRANT SELECT, INSERT, UPDATE ON {TABLE} TO "{role}"'
        found = after(database_url, grant, alter("ENABLE ROW LEVEL SECURITY"), *policies, role=role).findings

    assert {one.topic for one in found} <= {FitnessTopic.ROW_SECURITY}
    assert [one.is_proven for one in found] == [is_proven for is_proven, _ in told]
    assert all(text in one.text for one, (_, text) in zip(found, told, strict=True))


@pytest.mark.parametrize(("forced", "is_found"), [("", False), ("FORCE ROW LEVEL SECURITY", True)])
def test_an_owner_is_kept_out_only_where_it_is_forced(
    database_url: str, *, forced: str, is_found: bool
) -> None:
    with a_role(database_url) as role:
        statements = [
            alter(f'OWNER TO "{role}"'),
            alter("ENABLE ROW LEVEL SECURITY"),
            *([alter(forced)] if forced else []),
        ]
        found = after(database_url, *statements, role=role).findings

    assert bool(found) is is_found


@pytest.mark.parametrize(("encoding", "is_proven"), [("LATIN1", True), ("SQL_ASCII", False)])
def test_an_encoding_that_cannot_hold_a_message_is_refused_in_words(
    postgres_server: str, encoding: str, *, is_proven: bool
) -> None:
    name = f"encoded_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0".encode())
    url = make_conninfo(postgres_server, dbname=name)

    (found,) = migrations.fitness(url).findings

    assert (found.topic, found.is_proven) == (FitnessTopic.ENCODING, is_proven)
    assert f"the database's encoding {encoding}" in found.text
    if is_proven:
        with pytest.raises(MigrationFailed, match="cannot hold every character, such as an emoji"):
            migrations.apply(url)
