"""What decides whether the table takes every message, read from the catalogue for one role. Nothing is judged here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, LiteralString

import psycopg
from psycopg.rows import class_row

from b2bpilot.ops.migrations.table import MigratedTable
from b2bpilot.ops.migrations.trying import tried
from b2bpilot.pipeline.row_security import RowSecurity, read_row_security

PLACE: LiteralString = """
    SELECT
        %(table)s::text AS "table",
        coalesce(%(role)s::text, current_user::text) AS role,
        %(role)s::text IS NULL OR %(role)s::text = current_user::text AS is_asking,
        role.oid IS NOT NULL AS role_exists,
        current_setting('server_encoding') AS encoding,
        current_setting('search_path') AS search_path,
        class.relkind::text AS kind,
        class.relpersistence::text AS persistence,
        pg_get_userbyid(class.relowner)::text AS owner,
        quote_ident(schema.nspname) AS schema,
        coalesce(has_schema_privilege(role.oid, schema.oid, 'USAGE'), true) AS may_use_schema,
        coalesce(class.relispartition, false) AS is_partition,
        coalesce(class.reloftype <> 0, false) AS is_typed,
        ARRAY(SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = class.oid ORDER BY 1) AS children,
        ARRAY(
            SELECT quote_ident(other.nspname)
            FROM pg_class JOIN pg_namespace AS other ON other.oid = relnamespace
            WHERE relname = %(table)s AND relkind IN ('r', 'p', 'v', 'm', 'f')
                AND pg_class.oid IS DISTINCT FROM class.oid AND relpersistence <> 't'
            ORDER BY 1
        ) AS other_schemas,
        ARRAY(
            SELECT DISTINCT pubname::text
            FROM pg_publication_tables JOIN pg_publication USING (pubname)
            WHERE tablename = class.relname AND schemaname = schema.nspname AND (pubupdate OR pubdelete)
            ORDER BY 1
        ) AS publications,
        CASE class.relreplident
            WHEN 'f' THEN true
            WHEN 'n' THEN false
            WHEN 'i' THEN EXISTS (
                SELECT FROM pg_index WHERE indrelid = class.oid AND indisreplident AND indisvalid)
            ELSE EXISTS (
                SELECT FROM pg_index WHERE indrelid = class.oid AND indisprimary AND indisvalid AND indimmediate)
        END AS has_replica_identity
    FROM (SELECT to_regclass(%(table)s) AS oid) AS named
        LEFT JOIN pg_class AS class ON class.oid = named.oid
        LEFT JOIN pg_namespace AS schema ON schema.oid = class.relnamespace
        LEFT JOIN pg_roles AS role ON role.rolname = coalesce(%(role)s::text, current_user::text)
"""

COLUMNS: LiteralString = """
    WITH RECURSIVE base AS (
        SELECT attnum, atttypid AS type, atttypmod AS modifier, attnotnull AS required, false AS has_default,
            false AS is_domain
        FROM pg_attribute
        WHERE attrelid = to_regclass(%(table)s) AND attnum > 0 AND NOT attisdropped
        UNION ALL
        SELECT attnum, typbasetype, CASE WHEN modifier = -1 THEN typtypmod ELSE modifier END,
            required OR typnotnull, has_default OR typdefault IS NOT NULL, true
        FROM base JOIN pg_type ON pg_type.oid = base.type
        WHERE typtype = 'd'
    )
    SELECT
        %(table)s::text AS "table",
        attname::text AS name,
        typname::text AS type,
        format_type(atttypid, atttypmod) AS declared,
        CASE WHEN typname IN ('varchar', 'bpchar') AND modifier > 4 THEN modifier - 4 END AS length,
        required,
        has_default OR atthasdef OR attidentity <> '' AS has_default,
        attgenerated <> '' AS is_generated,
        attidentity = 'a' AS is_identity_always,
        is_domain,
        coalesce(has_column_privilege(role.oid, attrelid, attribute.attnum, 'SELECT'), true) AS may_select,
        coalesce(has_column_privilege(role.oid, attrelid, attribute.attnum, 'INSERT'), true) AS may_insert,
        coalesce(has_column_privilege(role.oid, attrelid, attribute.attnum, 'UPDATE'), true) AS may_update
    FROM base
        JOIN pg_type ON pg_type.oid = base.type AND typtype <> 'd'
        JOIN pg_attribute AS attribute ON attrelid = to_regclass(%(table)s) AND attribute.attnum = base.attnum
        LEFT JOIN pg_roles AS role ON role.rolname = coalesce(%(role)s::text, current_user::text)
    ORDER BY attribute.attnum
"""

RULES: LiteralString = """
    WITH constrained AS (
        SELECT contype, conname, oid, ARRAY(
            SELECT attname::text FROM pg_attribute
            WHERE attrelid = conrelid AND attnum = ANY(conkey) ORDER BY attnum
        ) AS columns
        FROM pg_constraint
        WHERE conrelid = to_regclass(%(table)s) AND contype IN ('c', 'f', 'x')
    )
    SELECT %(table)s::text AS "table", CASE contype WHEN 'c' THEN 'check' WHEN 'f' THEN 'foreign key' ELSE 'exclusion' END AS kind,
        quote_ident(conname) AS name, columns, false AS is_partial, true AS is_constraint
    FROM constrained
    UNION ALL
    SELECT %(table)s, 'unique', quote_ident(relname),
        ARRAY(
            SELECT coalesce(attname::text, '(expression)')
            FROM unnest(indkey::int2[]) WITH ORDINALITY AS key (number, place)
            LEFT JOIN pg_attribute ON attrelid = indrelid AND attnum = number AND number <> 0
            WHERE place <= indnkeyatts ORDER BY place
        ),
        indpred IS NOT NULL, EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype = 'u')
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = to_regclass(%(table)s) AND indisunique AND NOT indisprimary AND NOT indisexclusion
    UNION ALL
    SELECT %(table)s, 'index', quote_ident(relname), ARRAY['body'], indpred IS NOT NULL, false
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam
        JOIN pg_attribute ON attrelid = indrelid AND attname = 'body' AND attnum = ANY(indkey::int2[])
    WHERE indrelid = to_regclass(%(table)s) AND NOT indisunique AND amname = 'btree'
    UNION ALL
    SELECT %(table)s, 'trigger', quote_ident(tgname), '{}', false, false
    FROM pg_trigger
    WHERE tgrelid = to_regclass(%(table)s) AND NOT tgisinternal AND tgenabled IN ('O', 'A')
    UNION ALL
    SELECT %(table)s, 'rule', quote_ident(rulename), '{}', false, false
    FROM pg_rewrite
    WHERE ev_class = to_regclass(%(table)s) AND rulename <> '_RETURN' AND ev_enabled IN ('O', 'A')
    ORDER BY 2, 3
"""

CHECKS: LiteralString = """
    SELECT quote_ident(conname), pg_get_expr(conbin, conrelid), quote_ident(attname), attname::text
    FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
    WHERE conrelid = to_regclass(%(table)s) AND contype = 'c' AND cardinality(conkey) = 1
"""

SEQUENCES: LiteralString = """
    SELECT sequence.oid::regclass::text
    FROM pg_attrdef AS given
        JOIN pg_depend AS needed ON needed.objid = given.oid AND needed.classid = 'pg_attrdef'::regclass
        JOIN pg_class AS sequence ON sequence.oid = needed.refobjid AND sequence.relkind = 'S'
        JOIN pg_roles AS role ON role.rolname = coalesce(%(role)s::text, current_user::text)
    WHERE given.adrelid = to_regclass(%(table)s)
        AND NOT has_sequence_privilege(role.oid, sequence.oid, 'USAGE')
        AND NOT has_sequence_privilege(role.oid, sequence.oid, 'UPDATE')
    ORDER BY 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """`type` is the one below all domains, `declared` how the table says it; `length` None is no limit."""

    table: str
    name: str
    type: str
    declared: str
    length: int | None
    required: bool
    has_default: bool
    is_generated: bool
    is_identity_always: bool
    is_domain: bool
    may_select: bool
    may_insert: bool
    may_update: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRule:
    """What may refuse or change a row: a constraint, a unique index, a trigger, a rewrite rule.

    `refused` are the values that a check does not let in, of all that its column can get; None: they were not tried.
    """

    table: str
    kind: str
    name: str
    columns: list[str]
    is_partial: bool = False
    is_constraint: bool = False
    refused: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePlace:
    """The database, the role and the table. `kind` None: this session finds no table of the name."""

    table: str
    role: str
    is_asking: bool
    role_exists: bool
    encoding: str
    search_path: str
    kind: str | None
    persistence: str | None
    owner: str | None
    schema: str | None
    may_use_schema: bool
    is_partition: bool
    is_typed: bool
    children: list[str]
    other_schemas: list[str]
    publications: list[str]
    has_replica_identity: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """Everything for one role. `row_security` None: there is no table, or no such role."""

    table: MigratedTable
    place: TablePlace
    columns: tuple[Column, ...]
    rules: tuple[TableRule, ...]
    closed_sequences: tuple[str, ...]
    row_security: RowSecurity | None


def read_facts(
    connection: psycopg.Connection, role: str | None = None, *, table: MigratedTable
) -> TableFacts:
    """Ask about `role`, or about who is connected. No privilege on the table is needed. Raises psycopg's errors."""
    values: dict[str, Any] = {"table": table.name, "role": role}
    with connection.cursor(row_factory=class_row(TablePlace)) as cursor:
        place = cursor.execute(PLACE, values).fetchone()
    assert place is not None  # noqa: S101  # nosec B101  # a LEFT JOIN of one row
    with connection.cursor(row_factory=class_row(Column)) as cursor:
        columns = cursor.execute(COLUMNS, values).fetchall()
    with connection.cursor(row_factory=class_row(TableRule)) as cursor:
        rules = cursor.execute(RULES, values).fetchall()
    refused = tried(connection, connection.execute(CHECKS, values).fetchall(), table)
    sequences = connection.execute(SEQUENCES, values).fetchall()
    return TableFacts(
        table=table,
        place=place,
        columns=tuple(columns),
        rules=tuple(replace(rule, refused=refused.get(rule.name)) for rule in rules),
        closed_sequences=tuple(name for (name,) in sequences),
        row_security=read_row_security(connection, role, table=table.name),
    )
