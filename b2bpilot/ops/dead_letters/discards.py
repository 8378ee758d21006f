"""The dead letters that runs of this machine discarded and did not put back, by the journals: where the database did not
answer, no row says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from b2bpilot.ops.runs.durable import JournalFailed
from b2bpilot.ops.runs.record import entries
from b2bpilot.ops.runs.runs import journals
from b2bpilot.ops.table.row_state import Asked

DISCARD, RESTORE = "discard", "restore"
NEWEST = 500
"""So many journals are looked through."""


def discards_of(home: Path, *, environment: str, account_id: str) -> dict[Asked, str]:
    """Return the messages of which a dead letter was discarded, each with the run that did it last. A journal that cannot
    be read says nothing."""
    found: dict[str, tuple[Asked, str]] = {}
    for path in journals(home)[:NEWEST][::-1]:
        lines = _lines(path, environment, account_id)
        started = next(lines, {})
        if started.get("command") == DISCARD:
            found |= {id_: (message, str(started["run_id"])) for id_, message in _deleted(lines)}
        elif started.get("command") == RESTORE:
            for entry in lines:
                if entry.get("event") == "accepted":
                    found.pop(str(entry.get("queue_message_id")), None)
    return dict(found.values())


def _lines(path: Path, environment: str, account_id: str) -> Iterator[Mapping[str, Any]]:
    """Yield the lines of a discard or a restore of this environment, the one that names the run first."""
    if not (f"-{DISCARD}-" in path.name or f"-{RESTORE}-" in path.name):
        return
    try:
        lines = entries(path)
        started = next(lines, {})
        if (started.get("environment"), started.get("account_id")) != (environment, account_id):
            return
        yield started
        yield from lines
    except JournalFailed:
        return


def _deleted(lines: Iterator[Mapping[str, Any]]) -> Iterator[tuple[str, Asked]]:
    """Of one without a word on its row, whether it is a test's is not known: it is taken for a real message's."""
    tests: dict[str, bool] = {}
    for entry in lines:
        id_ = str(entry.get("queue_message_id"))
        if "test" in entry:
            tests[id_] = entry["test"] is True
        if entry.get("event") == "deleted" and (message_id := entry.get("message_id")):
            yield id_, Asked(str(message_id), tests.get(id_, False))
