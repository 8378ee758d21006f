"""Processing copies of dead letters: the queue keeps every one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from b2bpilot.aws.queue import DeadLetterQueue
from b2bpilot.errors import MessageUnreadable, PartlyFailed
from b2bpilot.ops.deadletters.archive import letters_in
from b2bpilot.ops.deadletters.engine import Handled
from b2bpilot.ops.deadletters.entries import Journal, entry
from b2bpilot.ops.deadletters.look import look
from b2bpilot.ops.deadletters.redrive import WINDOW
from b2bpilot.ops.deadletters.routes import Invokable, InvokeRoute
from b2bpilot.ops.deadletters.selection import Selection
from b2bpilot.pipeline.deadletter import DeadLetter

COMMAND = "replay"


def copies_from_queue(queue: DeadLetterQueue, selection: Selection, *, now: datetime) -> list[DeadLetter]:
    """Return copies of what the selection matches, oldest first and a thousand at most; all is given back before.

    Raises UsageError for a group that is not there, AwsError.
    """
    seen: dict[str, DeadLetter] = {}

    def visit(letter: DeadLetter) -> None:
        seen[letter.queue_message_id] = letter

    bounded = replace(selection, limit=min(selection.limit or WINDOW, WINDOW))
    found = look(queue, selection=bounded, now=now, visit=visit).found
    return [seen[one.queue_message_id] for one in found]


def copies_from_file(path: Path, selection: Selection, *, now: datetime) -> list[DeadLetter]:
    """Return the letters of an export that the selection matches. Raises ArchiveInvalid."""
    letters = [archived.letter for archived in letters_in(path)]
    matching = [letter for letter in letters if selection.matches(letter, now=now)]
    if selection.where is not None:
        selection.where.require_fields()
    return matching[: selection.limit or WINDOW]


def readable(letters: Sequence[DeadLetter]) -> list[DeadLetter]:
    """Return what can be processed. Raises MessageUnreadable when that is none of the letters."""
    found = [letter for letter in letters if letter.event is not None]
    if not found:
        raise MessageUnreadable(
            f"none of the {len(letters):,} dead letters can be read", hint="`b2bpilot dlq list` shows why"
        )
    return found


def replay(
    letters: Sequence[DeadLetter], function: Invokable, journal: Journal, *, run_id: str, workers: int
) -> Iterator[Handled]:
    """Run the function with each letter and yield what it said, in the letters' order.

    One worker runs them in this thread, so that a breakpoint in a function of this process works.
    """
    route = InvokeRoute(function)

    def run(letter: DeadLetter) -> Handled:
        journal.write(entry("sending", letter))
        (sent,) = route.send([letter], run_id=run_id)
        event = "accepted" if sent.confirmed else "failed"
        journal.write(entry(event, letter, verdict=sent.verdict.value, error=sent.error), durable=False)
        return Handled(letter=letter, sent=sent)

    yield from _map(run, letters, workers)


def require_all_processed(handled: Sequence[Handled], *, unreadable: int) -> None:
    """Raises PartlyFailed unless every letter could be read and was processed."""
    failed = sum(not one.sent.confirmed for one in handled)
    if failed or unreadable:
        left_out = f", {unreadable:,} cannot be read" if unreadable else ""
        raise PartlyFailed(
            f"{len(handled) - failed:,} processed, {failed:,} failed{left_out}",
            hint="the letters are all still in the queue; `b2bpilot dlq show ID` shows one in full",
        )


def _map(
    run: Callable[[DeadLetter], Handled], letters: Iterable[DeadLetter], workers: int
) -> Iterator[Handled]:
    if workers == 1:
        yield from map(run, letters)
        return
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(run, letters)
