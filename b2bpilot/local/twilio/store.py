"""What the double remembers: one table of JSON resources, in a file or in memory."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Resource = dict[str, Any]

SCHEMA = """
    CREATE TABLE IF NOT EXISTS resource (
        position INTEGER PRIMARY KEY, kind TEXT NOT NULL, sid TEXT NOT NULL, at REAL NOT NULL,
        parent TEXT, to_ TEXT, from_ TEXT, level TEXT, document TEXT NOT NULL, UNIQUE (kind, sid));
    CREATE INDEX IF NOT EXISTS resource_by_time ON resource (kind, at, position);
"""
MOST_FORMER = 1_000
UNLISTED = "unlisted"
"""The kind under which the SIDs are noted that no list shows, for whatever reason; by its SID each is there."""
NOT_HIDDEN = "sid NOT IN (SELECT sid FROM resource WHERE kind = ?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResource:
    """A resource and what lists filter on. `at` is seconds since 1970."""

    kind: str
    sid: str
    at: float
    document: Resource
    parent: str | None = None
    to: str | None = None
    from_: str | None = None
    level: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceFilter:
    """Which resources a list wants, from `since` to before `until`."""

    kind: str
    equal: Mapping[str, str] = field(default_factory=dict)
    """Columns (parent, to_, from_, level) and their values."""
    since: float | None = None
    until: float | None = None


class ResourceStore:
    """Safe for threads; each call is one transaction."""

    def __init__(self, path: Path | str = ":memory:") -> None:
        self._former: OrderedDict[str, Resource] = OrderedDict()
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.executescript(f"PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL; {SCHEMA}")

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def put(self, entries: Iterable[StoredResource]) -> None:
        """Add resources, or replace those of the same kind and SID."""
        rows = [
            (e.kind, e.sid, e.at, e.parent, e.to, e.from_, e.level, json.dumps(e.document)) for e in entries
        ]
        with self._lock:
            self._database.execute("BEGIN")
            self._database.executemany(
                "INSERT OR REPLACE INTO resource (kind, sid, at, parent, to_, from_, level, document)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
            self._database.execute("COMMIT")

    def get(self, kind: str, sid: str) -> Resource | None:
        with self._lock:
            row = self._database.execute(
                "SELECT document FROM resource WHERE kind = ? AND sid = ?", (kind, sid)
            ).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def change(self, kind: str, sid: str, changes: Mapping[str, Any]) -> Resource | None:
        """Write some fields of a resource and return all of it."""
        document = self.get(kind, sid)
        if document is None:
            return None
        with self._lock:
            self._former[sid] = dict(document)
            while len(self._former) > MOST_FORMER:
                self._former.popitem(last=False)
            document.update(changes)
            self._database.execute(
                "UPDATE resource SET document = ? WHERE kind = ? AND sid = ?",
                (json.dumps(document), kind, sid),
            )
        return document

    def as_before(self, document: Resource) -> Resource:
        """Return a resource, or a list of them, as one shows it that has not seen the last change of anything yet."""
        former = self._former.get(document.get("sid", ""))
        if former is not None and former.keys() == document.keys():
            return former
        return {
            name: [self.as_before(one) for one in value]
            if isinstance(value, list) and _is_list(value)
            else value
            for name, value in document.items()
        }

    def remove(self, kind: str, sid: str) -> None:
        with self._lock:
            self._database.execute("DELETE FROM resource WHERE kind = ? AND sid = ?", (kind, sid))

    def page(
        self, wanted: ResourceFilter, *, size: int, after: tuple[float, int] | None = None
    ) -> tuple[list[Resource], tuple[float, int] | None]:
        """Return resources, newest first, and where the next page begins, if there is one."""
        clauses, values = _clauses(wanted)
        if after is not None:
            clauses.append("(at, position) < (?, ?)")
            values += after
        query = f"SELECT at, position, document FROM resource WHERE {' AND '.join(clauses)} ORDER BY at DESC, position DESC LIMIT ?"  # noqa: S608  # nosec B608  # columns of ours
        with self._lock:
            rows = self._database.execute(query, (*values, size + 1)).fetchall()
        more = (rows[size - 1][0], rows[size - 1][1]) if len(rows) > size else None
        return [json.loads(row[2]) for row in rows[:size]], more

    def all(self, wanted: ResourceFilter) -> Sequence[Resource]:
        return self.page(wanted, size=1_000_000)[0]


def _is_list(value: list[Any]) -> bool:
    return all(isinstance(one, dict) for one in value)


def _clauses(wanted: ResourceFilter) -> tuple[list[str], list[Any]]:
    clauses, values = ["kind = ?", NOT_HIDDEN], [wanted.kind, UNLISTED]
    for column, value in wanted.equal.items():
        clauses.append(f"{column} = ?")
        values.append(value)
    return _bounded(clauses, list[Any](values), wanted)


def _bounded(clauses: list[str], values: list[Any], wanted: ResourceFilter) -> tuple[list[str], list[Any]]:
    for clause, bound in (("at >= ?", wanted.since), ("at < ?", wanted.until)):
        if bound is not None:
            clauses.append(clause)
            values.append(bound)
    return clauses, values
