"""What commands said at their end, against the journals, the rows and the queue: an exit code 0 is a promise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.faults.books import Book, Evidence
from tests.faults.commands import Ran
from tests.faults.journals import Run

DONE = 0


def truth_book(commands: Sequence[Ran], runs: Sequence[Run], evidence: Evidence) -> Book:
    completed = {row.message_id for row in evidence.rows if row.is_completed}
    by_id = {run.run_id: run for run in runs}
    book = Book(promise="exit code 0 means that it is done", looked_at="")
    looked = 0
    for ran in commands:
        run = by_id.get(run_id_in(ran.document) or "")
        if ran.how or ran.code != DONE or run is None:
            continue
        looked += 1
        untrue = _not_done(ran, run, completed)
        book.broken += [f"command {ran.number} ({' '.join(ran.arguments)}): {text}" for text in untrue]
    book.looked_at = f"{looked} commands that changed something and ended with 0"
    return book


def run_id_in(document: Any) -> str | None:
    """Find the run that a document tells of, wherever it stands."""
    if not isinstance(document, dict):
        return None
    if isinstance(document.get("run_id"), str):
        return str(document["run_id"])
    return next((found for part in document.values() if (found := run_id_in(part))), None)


def _not_done(ran: Ran, run: Run, completed: set[str]) -> list[str]:
    match run.command:
        case "republish":
            wanted = run.messages("accepted")
            return [f"{message_id} is not completed" for message_id in sorted(wanted - completed)]
        case "redrive" | "redrive-lambda":
            wanted = run.messages("sending", "removing", "accepted", "deleted")
            return [f"{message_id} is not completed" for message_id in sorted(wanted - completed)]
        case "publish" if "--wait" in ran.arguments:
            wanted = run.messages("accepted")
            return [f"{message_id} is not stored" for message_id in sorted(wanted - completed)]
        case "discard":
            left = run.messages("planned") - run.messages("deleted")
            return [f"{message_id} was not deleted" for message_id in sorted(left)]
        case _:
            return []
