"""What the commands said: exit codes that are documented, JSON that is JSON, and no error that nobody expected."""

from __future__ import annotations

from collections.abc import Sequence

from tests.faults.books import Book
from tests.faults.commands import DOCUMENTED, KILLED, STUCK, Ran

UNEXPECTED = "unexpected"
"""The code of an error that the program has no words for."""


def command_book(commands: Sequence[Ran]) -> Book:
    killed = sum(ran.how == KILLED for ran in commands)
    book = Book(
        promise="every command ends as documented, and says so in JSON",
        looked_at=f"{len(commands)} commands, {killed} of them killed",
    )
    for ran in commands:
        book.broken += [f"command {ran.number} ({' '.join(ran.arguments)}): {wrong}" for wrong in _wrong(ran)]
    return book


def _wrong(ran: Ran) -> list[str]:
    found = []
    if ran.how == STUCK:
        found.append(f"did not end, {ran.seconds:.0f} s")
    if _is_unexpected(ran) and not _is_start(ran):
        found.append(f"an error that nobody expected: {(ran.errors + ran.output).strip()[-500:]}")
    if ran.how:
        return found
    if ran.code not in DOCUMENTED:
        found.append(f"exit code {ran.code}")
    elif ran.document is None:
        found.append(f"exit code {ran.code} and no JSON: {ran.output[:200]!r} {ran.errors.strip()[-200:]!r}")
    return found


def _is_unexpected(ran: Ran) -> bool:
    error = ran.document.get("error") if isinstance(ran.document, dict) else None
    return "Traceback (most recent" in ran.errors or (error or {}).get("code") == UNEXPECTED


def _is_start(ran: Ran) -> bool:
    """Tell an interrupt that hit Python's own start, before a line of ours was run."""
    return ran.how == KILLED and "KeyboardInterrupt" in ran.errors and "b2bpilot" not in ran.errors
