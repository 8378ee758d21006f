"""Whether the table takes every message and gives every row, for the role that uses it: one answer for `migrate` and `verify`.

What the catalogue proves to refuse messages is an obstacle. What it cannot judge, such as a trigger's function, is a doubt:
it is named, and never called fine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from b2bpilot.errors import NOTHING_CHANGED, MigrationFailed
from b2bpilot.ops.migrations.column_fitness import columns_of
from b2bpilot.ops.migrations.finding import FitnessFinding, FitnessTopic, doubt, obstacle, quoted
from b2bpilot.ops.migrations.rule_fitness import rules_of
from b2bpilot.ops.migrations.table import SUBMISSIONS, MigratedTable
from b2bpilot.ops.migrations.table_facts import Column, TableFacts, TablePlace, read_facts
from b2bpilot.pipeline.row_security import RowReach, SqlCommand

UTF8 = "UTF8"
UNCHECKED = "SQL_ASCII"
KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table", "p": "a partitioned table"}
PLAIN_TABLE = "r"
IN_PUBLIC = "public"
SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitness:
    """What was found, for `role`. `is_the_functions`: it is known to be the role of the functions."""

    table: MigratedTable
    role: str
    is_the_functions: bool
    findings: tuple[FitnessFinding, ...]

    @property
    def obstacles(self) -> list[FitnessFinding]:
        return [finding for finding in self.findings if finding.is_proven]

    @property
    def doubts(self) -> list[FitnessFinding]:
        return [finding for finding in self.findings if not finding.is_proven]

    def facts(self) -> list[str]:
        """Return what was found right, a line for each topic that nothing stands against."""
        whose = ", which the functions have," if self.is_the_functions else ""
        unknown = "" if self.is_the_functions else "; whether the functions have that role is not known here"
        right = {
            FitnessTopic.TABLE: "its columns and constraints take every message",
            FitnessTopic.PRIVILEGES: f"role {self.role}{whose} may SELECT, INSERT and UPDATE{unknown}",
            FitnessTopic.ROW_SECURITY: f"no row security hides a row from role {self.role}",
            FitnessTopic.ENCODING: f"the database's encoding is {UTF8}",
        }
        found = {finding.topic for finding in self.findings}
        return [text for topic, text in right.items() if topic not in found]

    @property
    def remedies(self) -> str:
        """Return what can be done about the obstacles."""
        return "; ".join(dict.fromkeys(finding.remedy for finding in self.obstacles))

    def of(self, topic: FitnessTopic) -> list[FitnessFinding]:
        """Return the obstacles of one topic."""
        return [finding for finding in self.obstacles if finding.topic is topic]


def read_fitness(
    connection: psycopg.Connection,
    functions_role: str | None = None,
    *,
    table: MigratedTable = SUBMISSIONS,
) -> Fitness:
    """Look at everything and change nothing: for the role of the functions where it is known, else for who is connected."""
    facts = read_facts(connection, functions_role, table=table)
    return Fitness(
        table=table,
        role=facts.place.role,
        is_the_functions=functions_role is not None,
        findings=tuple(judged(facts)),
    )


def require_fit(fitness: Fitness) -> None:
    """Raise MigrationFailed that names everything by which messages would be refused."""
    found = fitness.obstacles
    if not found:
        return
    texts = "; ".join(finding.text for finding in found)
    raise MigrationFailed(
        f"{fitness.table.name} cannot take every message: {texts}",
        outcome=NOTHING_CHANGED,
        hint=fitness.remedies,
    )


def judged(facts: TableFacts) -> Iterator[FitnessFinding]:
    """Yield what stands in the way, or may."""
    place = facts.place
    yield from _encoding(place)
    yield from _schemas(place)
    if place.kind is None:
        return
    yield from _kind(place)
    if place.kind != PLAIN_TABLE:
        return
    yield from columns_of(facts.columns, facts.table)
    yield from rules_of(facts.rules, facts.table)
    yield from _replication(place, facts.table)
    yield from _privileges(facts)
    yield from _row_security(facts)


def _encoding(place: TablePlace) -> Iterator[FitnessFinding]:
    remedy = "move the table into a database made with ENCODING 'UTF8' TEMPLATE template0"
    if place.encoding == UNCHECKED:
        text = "the database's encoding SQL_ASCII takes any bytes: what other programs write there may be no text that can be read"
        yield doubt(FitnessTopic.ENCODING, text, remedy)
    elif place.encoding != UTF8:
        text = f"the database's encoding {place.encoding} cannot hold every character, such as an emoji: such a message is refused"
        yield obstacle(FitnessTopic.ENCODING, text, remedy)


def _schemas(place: TablePlace) -> Iterator[FitnessFinding]:
    others = ", ".join(place.other_schemas)
    if place.kind is None and others:
        yield obstacle(
            FitnessTopic.TABLE,
            f"{place.table} is in schema {others}, where role {place.role} does not look (search_path {place.search_path}): "
            "another one would be made",
            f"ALTER ROLE {quoted(place.role)} SET search_path = {place.other_schemas[0]}; it may need USAGE on the schema, too",
        )
    elif others:
        yield doubt(
            FitnessTopic.TABLE,
            f"there is a table or view of the same name in schema {others}, too: a role's search_path decides which one it uses",
            "name one of them otherwise",
        )
    elif place.kind and not place.is_asking and place.schema != IN_PUBLIC:
        yield doubt(
            FitnessTopic.TABLE,
            f"whether role {place.role} looks into schema {place.schema} is decided by its search_path, which is not known here",
            f"ALTER ROLE {quoted(place.role)} SET search_path = {place.schema}",
        )


def _kind(place: TablePlace) -> Iterator[FitnessFinding]:
    if kind := KINDS.get(place.kind or ""):
        why = ": no unique index on message_id alone can be made" if place.kind == "p" else ""
        yield obstacle(
            FitnessTopic.TABLE, f"{place.table} is {kind}, not a plain table{why}", "make it a plain table"
        )
    if place.persistence != "p":
        kind = (
            "unlogged: after a crash of the server it is empty" if place.persistence == "u" else "temporary"
        )
        yield obstacle(
            FitnessTopic.TABLE, f"{place.table} is {kind}", f"ALTER TABLE {place.table} SET LOGGED"
        )
    for child in place.children if place.kind == PLAIN_TABLE else ():
        yield obstacle(
            FitnessTopic.TABLE,
            f"table {child} inherits from {place.table}: a message's row may be in it, where no unique index sees it",
            f"ALTER TABLE {child} NO INHERIT {place.table}",
        )
    if place.is_partition:
        yield obstacle(
            FitnessTopic.TABLE,
            f"{place.table} is a partition: rows outside its bounds are refused",
            "detach the partition",
        )
    if place.is_typed:
        yield obstacle(
            FitnessTopic.TABLE,
            f"{place.table} has the columns of a type: none can be added",
            f"ALTER TABLE {place.table} NOT OF",
        )


def _replication(place: TablePlace, table: MigratedTable) -> Iterator[FitnessFinding]:
    if place.publications and not place.has_replica_identity:
        names = ", ".join(place.publications)
        yield obstacle(
            FitnessTopic.TABLE,
            f"{place.table} has no replica identity and is published ({names}): every UPDATE is refused",
            f"ALTER TABLE {place.table} ADD PRIMARY KEY ({table.primary_key}), or ALTER TABLE {place.table} REPLICA IDENTITY FULL",
        )


def _privileges(facts: TableFacts) -> Iterator[FitnessFinding]:
    place, role = facts.place, facts.place.role
    if not place.role_exists:
        text = f"there is no role {role} in this server, which the functions are"
        yield obstacle(FitnessTopic.PRIVILEGES, text, "is it the functions' database?")
        return
    if not place.may_use_schema:
        text = f"role {role} lacks USAGE on schema {place.schema}"
        yield obstacle(
            FitnessTopic.PRIVILEGES, text, f"GRANT USAGE ON SCHEMA {place.schema} TO {quoted(role)}"
        )
    for privilege, columns in _lacking(facts).items():
        of = "" if len(columns) == len(_needing(privilege, facts)) else f" on {_named(columns)}"
        yield obstacle(
            FitnessTopic.PRIVILEGES,
            f"role {role} may not {privilege}{of}",
            f"as {place.owner}: GRANT {privilege} ON {place.table} TO {quoted(role)}",
        )
    for sequence in facts.closed_sequences:
        text = f"role {role} may not use sequence {sequence}, from which a column takes its default"
        yield obstacle(
            FitnessTopic.PRIVILEGES,
            text,
            f"as {place.owner}: GRANT USAGE ON SEQUENCE {sequence} TO {quoted(role)}",
        )


def _named(columns: list[str]) -> str:
    more = len(columns) - SHOWN
    return ", ".join(columns[:SHOWN]) + (f" and {more} more columns" if more > 0 else "")


def _lacking(facts: TableFacts) -> dict[str, list[str]]:
    """Return the columns without each privilege that the pipeline's statements need there; none: nothing is lacking."""
    lacking = {
        "SELECT": [column.name for column in _needing("SELECT", facts) if not column.may_select],
        "INSERT": [column.name for column in _needing("INSERT", facts) if not column.may_insert],
        "UPDATE": [column.name for column in _needing("UPDATE", facts) if not column.may_update],
    }
    return {privilege: names for privilege, names in lacking.items() if names}


def _needing(privilege: str, facts: TableFacts) -> list[Column]:
    wanted = facts.table.wanted
    ours = [column for column in facts.columns if column.name in wanted]
    match privilege:
        case "INSERT":
            return [column for column in ours if wanted[column.name].is_inserted]
        case "UPDATE":
            return [column for column in ours if wanted[column.name].is_updated]
        case _:
            return ours


def _row_security(facts: TableFacts) -> Iterator[FitnessFinding]:
    security = facts.row_security
    if security is None or not security.is_active:
        return
    remedy = (
        f"as a superuser: ALTER ROLE {quoted(security.role)} BYPASSRLS; or as {security.owner}: "
        f"CREATE POLICY b2bpilot ON {facts.table.name} TO {quoted(security.role)} USING (true)"
    )
    for command in SqlCommand:
        reach, text = (
            security.reach(command),
            f"row security: for role {security.role}, {security.told(command)}",
        )
        if reach is RowReach.NONE:
            yield obstacle(FitnessTopic.ROW_SECURITY, text, remedy)
        elif reach is RowReach.SOME:
            yield doubt(FitnessTopic.ROW_SECURITY, text, remedy)
