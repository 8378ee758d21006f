"""Row security: whether policies hide rows of the table from a role, or refuse them.

A hidden row looks like one that is not there, and a row that an UPDATE may not see is changed by none: PostgreSQL says neither.
So who draws conclusions from what is not there asks here first.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, LiteralString, assert_never

import psycopg
from psycopg.rows import class_row

from b2bpilot.advice import our_command
from b2bpilot.errors import RowsHidden

ALWAYS = "true"
SUBMISSIONS = "b2b_pilot_user_submissions"


class RowReach(StrEnum):
    """Which rows a role reaches with a command."""

    ALL = "all"
    SOME = "some"
    """What a policy's condition is true of. Which rows that are, is not known here."""
    NONE = "none"


class SqlCommand(StrEnum):
    """As pg_policy has them; `*` there is each."""

    SELECT = "r"
    INSERT = "a"
    UPDATE = "w"


ACTIVE: Final[LiteralString] = """
    SELECT role.rolname::text, pg_get_userbyid(relowner)::text,
        relrowsecurity AND NOT (rolsuper OR rolbypassrls)
            AND (relforcerowsecurity OR NOT pg_has_role(role.oid, relowner, 'USAGE'))
    FROM pg_catalog.pg_class AS class, pg_catalog.pg_roles AS role
    WHERE class.oid = to_regclass(%(table)s)
        AND role.rolname = coalesce(%(role)s::text, current_user::text)
"""

POLICIES: Final[LiteralString] = """
    SELECT polname::text AS name, polcmd::text AS command, polpermissive AS permissive,
        coalesce(pg_get_expr(polqual, polrelid), 'true') AS "using",
        coalesce(pg_get_expr(coalesce(polwithcheck, polqual), polrelid), 'true') AS checked
    FROM pg_catalog.pg_policy, pg_catalog.pg_roles AS role
    WHERE polrelid = to_regclass(%(table)s)
        AND role.rolname = coalesce(%(role)s::text, current_user::text)
        AND EXISTS (
            SELECT FROM unnest(polroles) AS named (oid)
            WHERE named.oid = 0 OR pg_has_role(role.oid, named.oid, 'USAGE')
        )
    ORDER BY polname
"""


class Need(StrEnum):
    """What a connection is for."""

    ALL_ROWS = "all rows"
    """Something is concluded from what is not there: the rule."""
    ITS_ROWS = "its rows"
    """Messages are written and read again: a function goes on where a policy may let it."""
    NO_ROWS = "no rows"
    """The catalogue is read, the clock, the settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A policy that is applied to the role. `using` and `checked` are its conditions, `true` where it has none."""

    name: str
    command: str
    permissive: bool
    using: str
    checked: str

    def is_open(self, command: SqlCommand) -> bool:
        """Whether it lets every row through, by its words alone."""
        match command:
            case SqlCommand.SELECT:
                return self.using == ALWAYS
            case SqlCommand.INSERT:
                return self.checked == ALWAYS
            case SqlCommand.UPDATE:
                return self.using == ALWAYS and self.checked == ALWAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSecurity:
    """What is so for one role. `owner` is the table's. Not `is_active`: every row is reached."""

    role: str
    owner: str
    is_active: bool
    policies: tuple[Policy, ...] = ()

    def reach(self, command: SqlCommand) -> RowReach:
        """Restrictive policies narrow what any of the others lets through; without any of those nothing is let through."""
        if not self.is_active:
            return RowReach.ALL
        applied = [policy for policy in self.policies if policy.command in ("*", command.value)]
        letting = [policy for policy in applied if policy.permissive]
        if not letting:
            return RowReach.NONE
        narrowing = [policy for policy in applied if not policy.permissive]
        is_open = any(policy.is_open(command) for policy in letting) and all(
            policy.is_open(command) for policy in narrowing
        )
        return RowReach.ALL if is_open else RowReach.SOME

    def told(self, command: SqlCommand) -> str:
        """Say how far it reaches, behind the role's name."""
        verb = command.name
        match self.reach(command):
            case RowReach.ALL:
                return f"{verb} reaches every row"
            case RowReach.NONE:
                return f"no policy lets it {verb} any row"
            case RowReach.SOME:
                return (
                    f"{verb} reaches the rows that {self._conditions(command)} allow{self._ending(command)}"
                )

    def _conditions(self, command: SqlCommand) -> str:
        names = [policy.name for policy in self._applied(command)]
        return f"policy {names[0]}" if len(names) == 1 else f"policies {', '.join(names)}"

    def _ending(self, command: SqlCommand) -> str:
        return "s" if len(self._applied(command)) == 1 else ""

    def _applied(self, command: SqlCommand) -> list[Policy]:
        return [policy for policy in self.policies if policy.command in ("*", command.value)]


def require_rows(security: RowSecurity, where: str, *, needs: Need) -> None:
    """Raise RowsHidden when rows that are needed may be hidden, or cannot be written at all."""
    reaches = {command: security.reach(command) for command in SqlCommand}
    match needs:
        case Need.ALL_ROWS:
            is_enough = reaches[SqlCommand.SELECT] is RowReach.ALL
        case Need.ITS_ROWS:
            is_enough = RowReach.NONE not in reaches.values()
        case Need.NO_ROWS:
            is_enough = True
        case _:
            assert_never(needs)
    if is_enough:
        return
    told = "; ".join(
        security.told(command) for command, reach in reaches.items() if reach is not RowReach.ALL
    )
    raise RowsHidden(
        f"row security may hide rows of {where} from role {security.role}, so that it is not known what is there: {told}",
        hint=f"use a role that reaches every row, as {security.owner}; "
        + our_command("migrate", "--status")
        + " names another way",
    )


def read_row_security(
    connection: psycopg.Connection, role: str | None = None, *, table: str = SUBMISSIONS
) -> RowSecurity | None:
    """Ask the catalogue about `role`, or who is connected; None without the table or the role. Raises psycopg's errors."""
    values = {"role": role, "table": table}
    row = connection.execute(ACTIVE, values).fetchone()
    if row is None:
        return None
    name, owner, is_active = row
    with connection.cursor(row_factory=class_row(Policy)) as cursor:
        policies = cursor.execute(POLICIES, values).fetchall() if is_active else []
    return RowSecurity(role=name, owner=owner, is_active=bool(is_active), policies=tuple(policies))
