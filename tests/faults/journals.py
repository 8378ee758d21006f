"""Every line of a journal that claims something, against rows and queue."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.faults.books import Book
from tests.faults.evidence import Letters, Row

Entry = Mapping[str, Any]


def journal_book(folder: Path, rows: list[Row], letters: Letters) -> Book:
    """Check what cannot become untrue later: a completed row stays completed."""
    status = {row.message_id: row.status for row in rows}
    book = Book(promise="no line of a journal is untrue", looked_at="")
    counted: Counter[str] = Counter()
    for path in sorted(folder.glob("*.jsonl")):
        entries = list(entries_of(path))
        for claim, entry in _claims(entries):
            counted[claim] += 1
            if not _is_true(claim, entry, status, letters):
                found = status.get(str(entry.get("message_id")), "no row")
                book.broken.append(f"{path.stem}: {claim} {entry.get('message_id')}, but {found}")
    book.looked_at = f"{counted.total():,} claims: " + ", ".join(
        f"{count:,} {claim}" for claim, count in sorted(counted.items())
    )
    return book


def entries_of(path: Path) -> Iterator[Entry]:
    """Yield the lines; a torn last one was told to nobody."""
    for line in path.read_text().splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def published(folder: Path) -> set[str]:
    """Return the messages that SNS or the webhook has accepted, as journals of `publish` say."""
    return {
        str(entry["message_id"])
        for path in folder.glob("*-publish-*.jsonl")
        for entry in entries_of(path)
        if entry.get("event") == "accepted"
    }


def _claims(entries: list[Entry]) -> Iterator[tuple[str, Entry]]:
    """Yield what a journal says that can be checked."""
    started = entries[0] if entries else {}
    command = started.get("command")
    via = (started.get("parameters") or {}).get("via")
    for entry in entries:
        match command, entry.get("event"):
            case _, "proof" if entry.get("fate") == "completed":
                yield "proof completed", entry
            case "redrive", "deleted" if via == "invoke":
                yield "deleted after invoke", entry
            case "redrive-lambda", "deleted":
                yield "deleted in AWS", entry
            case "publish", "accepted":
                yield "accepted by publish", entry


def _is_true(claim: str, entry: Entry, status: Mapping[str, str], letters: Letters) -> bool:
    message_id = str(entry.get("message_id"))
    if claim == "accepted by publish":
        return message_id in status or message_id in letters.message_ids
    return status.get(message_id) == "completed"
