"""The migration files: plain SQL that `psql -f` runs too, with their order in the first line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from b2bpilot.errors import MigrationFailed

DEPENDS = re.compile(r"-- depends: (?P<name>\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationFile:
    """One file. `statements` are run one by one: CONCURRENTLY refuses company (facts H10)."""

    name: str
    depends: str | None
    statements: tuple[str, ...]


def read_migrations(folder: Path) -> list[MigrationFile]:
    """Return the files in the order in which they depend on each other. Raises MigrationFailed when there is none."""
    files = [_read(path) for path in sorted(folder.glob("*.sql"))]
    ordered: list[MigrationFile] = []
    last: str | None = None
    while len(ordered) < len(files):
        successors = [file for file in files if file.depends == last]
        if len(successors) != 1:
            found = ", ".join(file.name for file in successors) or "none"
            raise MigrationFailed(
                f"one migration must depend on {last or 'nothing'}; found {found} in {folder}"
            )
        ordered += successors
        last = successors[0].name
    return ordered


def split(sql: str) -> tuple[str, ...]:
    """Return the statements of a file, without comments. A statement ends with `;` at the end of a line; function bodies
    and literals over several lines are not used in our files, and a test holds them to it."""
    lines = [line for line in sql.splitlines() if not line.lstrip().startswith("--")]
    text = "\n".join(lines)
    return tuple(part.strip() for part in re.split(r";[ \t]*$", text, flags=re.MULTILINE) if part.strip())


def _read(path: Path) -> MigrationFile:
    text = path.read_text(encoding="utf-8")
    match = DEPENDS.match(text)
    if match is None:
        raise MigrationFailed(f"{path.name} does not begin with `-- depends: NAME` or `-- depends: nothing`")
    depends = match["name"]
    return MigrationFile(
        name=path.name, depends=None if depends == "nothing" else depends, statements=split(text)
    )
