"""Every line of a journal that claims something, against rows, queue and archives."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from tests.faults.books import Book, Evidence
from tests.faults.evidence import Row

Entry = Mapping[str, Any]


class Claim(StrEnum):
    """What a line says that cannot become untrue later: a completed row stays completed."""

    PROVEN = "proven completed"
    REMOVED = "removed as completed"
    DELETED_AFTER_INVOKE = "deleted after invoke"
    DELETED_AFTER_TOPIC = "deleted after its row showed that it had arrived"
    DELETED_AFTER_ASYNC = "deleted after Lambda took it"
    DELETED_IN_AWS = "deleted in AWS"
    DISCARDED = "discarded, from the archive"
    PUBLISHED = "accepted by publish"


COMPLETED = frozenset({Claim.PROVEN, Claim.REMOVED, Claim.DELETED_AFTER_INVOKE, Claim.DELETED_IN_AWS})
ROW = frozenset({Claim.DELETED_AFTER_TOPIC})
SOMEWHERE = frozenset({Claim.DELETED_AFTER_ASYNC, Claim.PUBLISHED})
CLAIMS = {
    ("redrive-lambda", "deleted"): Claim.DELETED_IN_AWS,
    ("discard", "deleted"): Claim.DISCARDED,
    ("publish", "accepted"): Claim.PUBLISHED,
}
AFTER = {
    "invoke": Claim.DELETED_AFTER_INVOKE,
    "topic": Claim.DELETED_AFTER_TOPIC,
    "async": Claim.DELETED_AFTER_ASYNC,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A journal as it stands on disk; a torn last line was told to nobody."""

    run_id: str
    entries: Sequence[Entry]

    @property
    def command(self) -> str:
        return str(self.entries[0].get("command")) if self.entries else ""

    @property
    def via(self) -> str | None:
        return (self.entries[0].get("parameters") or {}).get("via") if self.entries else None

    def messages(self, *events: str) -> set[str]:
        return {str(entry.get("message_id")) for entry in self.entries if entry.get("event") in events}

    def claims(self) -> Iterator[tuple[Claim, str]]:
        """Yield what it says, with the message of which it says it."""
        removed = {entry.get("queue_message_id") for entry in self.entries if _is_removal(entry)}
        removed -= self._taken_by_lambda()
        for entry in self.entries:
            if claim := self._claim(entry, removed):
                yield claim, str(entry.get("message_id"))

    def _taken_by_lambda(self) -> set[object]:
        """A resumed run only removes what Lambda had taken before the kill: nothing says that it is completed."""
        if self.via != "async":
            return set()
        return {entry.get("queue_message_id") for entry in self.entries if entry.get("event") == "accepted"}

    def _claim(self, entry: Entry, removed: set[object]) -> Claim | None:
        if entry.get("event") == "proof":
            return Claim.PROVEN if entry.get("fate") == "completed" else None
        if self.command == "redrive" and entry.get("event") == "deleted":
            return Claim.REMOVED if entry.get("queue_message_id") in removed else AFTER[str(self.via)]
        return CLAIMS.get((self.command, str(entry.get("event"))))


def _is_removal(entry: Entry) -> bool:
    return entry.get("event") == "removing" or entry.get("decision") == "remove"


def runs_of(home: Path) -> list[Run]:
    paths = sorted((home / "runs").glob("*.jsonl"))
    return [Run(run_id=path.stem, entries=list(_entries(path))) for path in paths]


def _entries(path: Path) -> Iterator[Entry]:
    for line in path.read_text().splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def archived(home: Path) -> dict[str, set[str]]:
    """Return the messages in the archive of each run that discarded or edited."""
    return {
        path.stem: {str((entry.get("summary") or {}).get("message_id")) for entry in _entries(path)}
        for path in (home / "archives").glob("*.jsonl")
    }


def published(runs: Sequence[Run]) -> set[str]:
    """Return the messages that SNS or the webhook has accepted, as the journals of `publish` say."""
    return {message_id for run in runs if run.command == "publish" for message_id in run.messages("accepted")}


def helped(runs: Sequence[Run]) -> set[str]:
    """Return the messages that any command has named: what became of these is not the pipeline's work alone."""
    return {str(entry["message_id"]) for run in runs for entry in run.entries if entry.get("message_id")}


def journal_book(runs: Sequence[Run], evidence: Evidence) -> Book:
    by_id = {row.message_id: row for row in evidence.rows}
    dead = evidence.dead_letters.message_ids
    book = Book(promise="no line of a journal is untrue", looked_at="")
    counted: Counter[Claim] = Counter()
    for run in runs:
        for claim, message_id in run.claims():
            counted[claim] += 1
            if not _is_true(claim, by_id.get(message_id), is_dead=message_id in dead):
                found = by_id[message_id].status if message_id in by_id else "no row"
                book.broken.append(f"{run.run_id}: {claim} {message_id}, but {found}")
        book.broken += _without_archive(run, evidence.archived.get(run.run_id, set()))
    told = ", ".join(f"{count:,} {claim}" for claim, count in sorted(counted.items()))
    book.looked_at = f"{counted.total():,} claims in {len(runs)} journals: {told}"
    return book


def _is_true(claim: Claim, row: Row | None, *, is_dead: bool) -> bool:
    if claim in COMPLETED:
        return row is not None and row.is_completed
    if claim in ROW:
        return row is not None
    return claim not in SOMEWHERE or row is not None or is_dead


def _without_archive(run: Run, archive: set[str]) -> list[str]:
    """What a discard deleted must be in its archive."""
    if run.command != "discard":
        return []
    missing = sorted(run.messages("deleted") - archive)
    return [f"{run.run_id}: deleted {message_id}, which its archive has not" for message_id in missing]
