"""What else of a table may refuse, change or double a row: constraints, unique indexes, triggers, rewrite rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from b2bpilot.ops.migrations.finding import FitnessFinding, FitnessTopic, doubt, obstacle
from b2bpilot.ops.migrations.table import MigratedTable
from b2bpilot.ops.migrations.table_facts import TableRule


def rules_of(rules: Sequence[TableRule], table: MigratedTable) -> Iterator[FitnessFinding]:
    """Of what is there for the columns that the pipeline writes."""
    for rule in rules:
        if finding := _judged(rule, table):
            yield finding


def _judged(rule: TableRule, table: MigratedTable) -> FitnessFinding | None:
    match rule.kind:
        case "trigger":
            return _doubted(rule, "what its function does to a row is not known here")
        case "rule":
            return _refusing(
                rule, "ON CONFLICT does not work with it", f"DROP RULE {rule.name} ON {table.name}"
            )
    if table.wanted.keys().isdisjoint(rule.columns) and "(expression)" not in rule.columns:
        return None
    return _judged_constraint(rule, table)


def _judged_constraint(rule: TableRule, table: MigratedTable) -> FitnessFinding | None:
    match rule.kind:
        case "check":
            return _judged_check(rule)
        case "unique":
            return _judged_unique(rule, table)
        case "index":
            return _refusing(
                rule, "a long text, of some 2,700 bytes, is refused", f"DROP INDEX CONCURRENTLY {rule.name}"
            )
        case "foreign key":
            return _refusing(rule, "a message with a value that is not there is refused", _drop(rule))
        case _:
            return _refusing(rule, "a message that meets another one there is refused", _drop(rule))


def _judged_check(rule: TableRule) -> FitnessFinding | None:
    """Where all values that a column can get are known, they were tried."""
    if rule.refused:
        return _refusing(rule, f"it refuses {', '.join(rule.refused)}", _drop(rule))
    if rule.refused is not None:
        return None
    return _doubted(rule, "whether every message passes it is not known here")


def _judged_unique(rule: TableRule, table: MigratedTable) -> FitnessFinding | None:
    if rule.columns in table.alone:
        return None
    if rule.is_partial or "(expression)" in rule.columns:
        return _doubted(rule, "whether two messages meet in it is not known here")
    drop = _drop(rule) if rule.is_constraint else f"DROP INDEX CONCURRENTLY {rule.name}"
    return _refusing(rule, "the second of two messages with the same values is refused", drop)


def _refusing(rule: TableRule, why: str, remedy: str) -> FitnessFinding:
    return obstacle(FitnessTopic.TABLE, f"{_named(rule)}: {why}", remedy)


def _doubted(rule: TableRule, why: str) -> FitnessFinding:
    return doubt(FitnessTopic.TABLE, f"{_named(rule)}: {why}", "read its definition, and decide")


def _named(rule: TableRule) -> str:
    columns = f" on {', '.join(rule.columns)}" if rule.columns else ""
    kind = "unique index" if rule.kind == "unique" else rule.kind
    return f"{kind} {rule.name}{columns}"


def _drop(rule: TableRule) -> str:
    return f"ALTER TABLE {rule.table} DROP CONSTRAINT {rule.name}"
