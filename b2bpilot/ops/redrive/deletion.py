"""When a redrive deletes a dead letter, and the one place where it does: ten a call, while others are still being sent."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from enum import StrEnum
from types import TracebackType
from typing import Self

from b2bpilot.ops.dead_letters.holding import BATCH
from b2bpilot.ops.ports import DeadLetterHolder, JournalWriter
from b2bpilot.ops.redrive.routes import Route, SentDeadLetter
from b2bpilot.ops.runs.journal import entry
from b2bpilot.ops.sending.result import SendOutcome
from b2bpilot.pipeline.dead_letter import DeadLetter

WORKERS = 16


class DeletedWhen(StrEnum):
    """What must be known of a message before its dead letter is deleted; in the words of the plan and of docs/dead-letters.md."""

    COMPLETED = "when its run completed the message"
    RETURNED = "when its run completed the message, or returned without an error and said no more"
    ACCEPTED = "when AWS has accepted it"
    ARRIVED = "when its row shows that it arrived"


SHOWN_BY = {
    DeletedWhen.COMPLETED: SendOutcome.PROCESSED,
    DeletedWhen.RETURNED: SendOutcome.RETURNED,
    DeletedWhen.ACCEPTED: SendOutcome.ACCEPTED,
}


def deleted_when(route: Route, wait: timedelta) -> DeletedWhen:
    """Return when a dead letter that was sent may be deleted (decision 10): never before its message is safe without it. Who does
    not wait for the rows cannot be told by them."""
    if route.answers:
        return DeletedWhen.RETURNED if route.may_say_nothing else DeletedWhen.COMPLETED
    return DeletedWhen.ACCEPTED if route.keeps or not wait else DeletedWhen.ARRIVED


def in_words(route: Route, wait: timedelta, *, is_proven: bool) -> str:
    """Return the same as a plan says it. In a database that is not proven to be the processor's no row shows anything."""
    when = deleted_when(route, wait)
    if when is DeletedWhen.ARRIVED and not is_proven:
        return "nothing is deleted, as no row can tell what arrived"
    unproven = ", whether it arrived or not" if when is DeletedWhen.ACCEPTED and not route.keeps else ""
    return f"a dead letter is deleted {when}{unproven}"


class Deletions:
    """Is told what is known of dead letters, from any thread, and deletes those of which it is enough. Leaving the block deletes
    the rest of them and waits for all calls.

    Sending must not go on when deleting fails: `check`, before each send, raises what the first failed call raised, and
    so does the block's end.
    """

    def __init__(self, held: DeadLetterHolder, journal: JournalWriter, when: DeletedWhen) -> None:
        self.deleted: set[str] = set()
        """The queue's ids of what SQS confirmed to be gone."""
        self._held = held
        self._journal = journal
        self._when = when
        self._waiting: list[DeadLetter] = []
        self._failure: BaseException | None = None
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(WORKERS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()
        self._pool.shutdown()
        if error is None:
            self.check()

    def check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def sent(self, sent: Sequence[SentDeadLetter]) -> None:
        for what, outcome in SHOWN_BY.items():
            self.known(what, [one.dead_letter for one in sent if one.result.outcome is outcome])

    def known(self, what: DeletedWhen, dead_letters: Sequence[DeadLetter]) -> None:
        """Delete dead letters soon, if it is enough to know this of them: when they are ten with others, or at the next `flush`.
        A completed message needs no dead letter on any route."""
        if what not in (self._when, DeletedWhen.COMPLETED):
            return
        with self._lock:
            self._waiting += dead_letters
            while len(self._waiting) >= BATCH:
                self._submit()

    def flush(self) -> None:
        with self._lock:
            while self._waiting:
                self._submit()

    def _submit(self) -> None:
        batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        self._pool.submit(self._delete, batch)

    def _delete(self, dead_letters: Sequence[DeadLetter]) -> None:
        try:
            refused = {dead_letter.queue_message_id for dead_letter in self._held.delete(dead_letters)}
            gone = [
                dead_letter for dead_letter in dead_letters if dead_letter.queue_message_id not in refused
            ]
            self._journal.write(*(entry("deleted", dead_letter) for dead_letter in gone), durable=False)
            with self._lock:
                self.deleted |= {dead_letter.queue_message_id for dead_letter in gone}
        except BaseException as exc:  # noqa: BLE001  # raised by `check` in a thread that sends
            self._failure = self._failure or exc
