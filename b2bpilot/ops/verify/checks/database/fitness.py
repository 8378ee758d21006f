"""Checks of the category `database`: the table takes every message and gives every row, for the role of the functions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from b2bpilot.ops.verify.check import Answer, Category, Check, Probe, Severity, fails, holds
from b2bpilot.ops.verify.checks.database.schema import COLUMN, bringing_back_command
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.table import fitness, table
from b2bpilot.pipeline.row_security import SUBMISSIONS

if TYPE_CHECKING:
    from b2bpilot.ops.migrations import Fitness, FitnessTopic

SECRET = ("secretsmanager:GetSecretValue",)
UNKNOWN_ROLE = "; the functions' own role is not known here"


def _nothing_against(topic: str, seen: str) -> Probe:
    """Return the probe whose statement is that nothing of the topic refuses a message or hides a row."""

    def probe(deployment: Deployment) -> Answer:
        from b2bpilot.ops.migrations import FitnessTopic

        found = fitness(deployment)
        of_topic = FitnessTopic(topic)
        if against := found.of(of_topic):
            told = "; ".join(f"{finding.text} ({finding.remedy})" for finding in against)
            return fails(f"{told}{_whose(found, of_topic)}")
        return holds(f"{seen.format(role=found.role)}{_whose(found, of_topic)}{_doubts(found, of_topic)}")

    return probe


TABLE_IS_RIGHT = _nothing_against("table", "its kind, columns and constraints are as they have to be")


def _takes_every_message(deployment: Deployment) -> Answer:
    """A column that is gone comes first: messages fail until it is back. Of message_id B2B078 tells."""
    from b2bpilot.ops.migrations.lost_columns import lost_columns

    answer, lost = TABLE_IS_RIGHT(deployment), lost_columns(table(deployment).schema)
    names = [name for name in lost.names if name != COLUMN]
    if not names:
        return answer
    what = "column" if len(names) == 1 else "columns"
    told = f"{SUBMISSIONS} has no {what} {', '.join(names)}: messages are refused for it"
    if lost.told:
        told += f" ({lost.told})"
    return fails(told if answer.is_true else f"{told}; {answer.seen}", fix=bringing_back_command(lost))


def _whose(fitness: Fitness, topic: FitnessTopic) -> str:
    is_of_the_role = topic.value in ("privileges", "row security")
    return UNKNOWN_ROLE if is_of_the_role and not fitness.is_the_functions else ""


def _doubts(fitness: Fitness, topic: FitnessTopic) -> str:
    """What is not proven is not fine: B2B154 is about that."""
    return ", as far as B2B154 can tell" if any(one.topic is topic for one in fitness.doubts) else ""


def _nothing_unproven(deployment: Deployment) -> Answer:
    found = fitness(deployment).doubts
    if not found:
        return holds("nothing of it is beyond what the catalogue tells")
    return fails("; ".join(finding.text for finding in found))


check = partial(Check, category=Category.DATABASE, actions=SECRET, needs=("B2B077",))

CHECKS = (
    check(
        code="B2B150",
        statement="the table takes every message",
        why="A column that is gone, of another type, too short, or without a default, or a constraint, refuses messages: "
        "they become dead letters.",
        probe=_takes_every_message,
    ),
    check(
        code="B2B151",
        statement="the functions' role may read and write the table",
        why="Without SELECT, INSERT and UPDATE on its columns each message becomes a dead letter.",
        probe=_nothing_against("privileges", "role {role} may SELECT, INSERT and UPDATE"),
    ),
    check(
        code="B2B152",
        statement="no row security keeps the functions' role from rows",
        why="What is hidden looks like what is not there: lists are empty, and messages are refused.",
        probe=_nothing_against("row security", "role {role} reaches every row"),
    ),
    check(
        code="B2B153",
        statement="the database's encoding can hold every message",
        why="Only UTF8 holds every character: in another encoding a message with an emoji is refused.",
        probe=_nothing_against("encoding", "UTF8"),
        needs=("B2B075",),
    ),
    check(
        code="B2B154",
        statement="everything about the table can be proven",
        why="A trigger, a check constraint or a policy may change, refuse or hide rows, and the catalogue does not say of which messages.",
        probe=_nothing_unproven,
        severity=Severity.WARNING,
    ),
)
