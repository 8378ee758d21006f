"""The migration files: plain SQL that `psql -f` runs too, with their order in the first line."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from b2bpilot.errors import MigrationFailed
from b2bpilot.ops.migrations.statements import MigrationStatement, read_statements
from b2bpilot.ops.migrations.table import SUBMISSIONS, MigratedTable

DEPENDS = re.compile(r"-- depends: (?P<name>\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationFile:
    """One file. `checksum` is the SHA-256 of its text with \\n as line ends, as a checkout on any system has it."""

    name: str
    depends: str | None
    checksum: str
    statements: tuple[MigrationStatement, ...]


def read_migrations(folder: Path, table: MigratedTable = SUBMISSIONS) -> list[MigrationFile]:
    """Return a table's files in the order in which they depend on each other. Raises MigrationFailed when there is none."""
    folder = folder / table.option
    files = [_read(path, table) for path in sorted(folder.glob("*.sql"))]
    if not files:
        raise MigrationFailed(
            f"{folder} holds no migrations", hint="install b2bpilot again from its checkout"
        )
    ordered: list[MigrationFile] = []
    last: str | None = None
    while len(ordered) < len(files):
        successors = [file for file in files if file.depends == last]
        if len(successors) != 1:
            found = ", ".join(file.name for file in successors) or "none"
            raise MigrationFailed(
                f"one migration must depend on {last or 'nothing'}; found {found} in {folder}",
                hint="a file is missing or was added by hand: install b2bpilot again from its checkout",
            )
        ordered += successors
        last = successors[0].name
    return ordered


def _read(path: Path, table: MigratedTable) -> MigrationFile:
    text = path.read_text(encoding="utf-8")
    match = DEPENDS.match(text)
    if match is None:
        raise MigrationFailed(f"{path.name} does not begin with `-- depends: NAME` or `-- depends: nothing`")
    depends = match["name"]
    return MigrationFile(
        name=table.file(path.name),
        depends=None if depends == "nothing" else table.file(depends),
        checksum=hashlib.sha256(text.encode()).hexdigest(),
        statements=read_statements(text),
    )
