"""Judging what AWS only accepted: by the rows, while the run goes on and at its end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from b2bpilot.ops.dead_letters.asked import asked_of
from b2bpilot.ops.redrive.routes import SentDeadLetter
from b2bpilot.ops.table.asked import Table
from b2bpilot.ops.table.row_proof import (
    Proof,
    Proven,
    RowOutcome,
    RowProof,
    Watched,
    failed_since,
    has_arrived,
)
from b2bpilot.ops.table.row_state import Asked
from b2bpilot.pipeline.dead_letter import DeadLetter

Observe = Callable[[int, int], None]


class RowsJudge:
    """Remembers what the rows said of a window's messages, so that only those that are open are asked for again.

    `arrived` gets each dead letter once, when the rows show that the processor got its message.
    """

    def __init__(
        self,
        table: Table,
        *,
        since: datetime,
        wait: timedelta,
        arrived: Callable[[Sequence[DeadLetter]], None] = lambda _: None,
    ) -> None:
        self._proof = RowProof(table, failure_counts=failed_since(since))
        self._since = since
        self._wait = wait
        self._arrived = arrived
        self._dead_letters: defaultdict[Asked, dict[str, DeadLetter]] = defaultdict(dict)
        self._here: set[Asked] = set()
        self._written: set[Asked] = set()
        """Those whose rows the processor wrote since the run began."""
        self._waited_for: set[Asked] = set()
        self._found: dict[Asked, Proven] = {}

    def unconfirmed(self, handled: Sequence[SentDeadLetter], *, most: int) -> int:
        """Return how many failed again, or did not arrive within the time; as soon as they cannot be more than `most`,
        only how many failed so far."""
        asked = [asked_of(one.dead_letter) for one in handled]
        self._look(handled, timeout=self._wait, is_enough=lambda found: self._unwell(asked, found) <= most)
        if (unwell := self._unwell(asked, self._found)) > most:
            self._waited_for |= set(asked)
            return unwell
        return sum(_has_failed(self._found[message]) for message in asked)

    def proof(
        self, handled: Sequence[SentDeadLetter], *, observe: Observe = lambda _decided, _all: None
    ) -> Proof:
        """Return every outcome at the end. Who had the whole time already is looked at once more."""
        open_ = [one for one in handled if asked_of(one.dead_letter) not in self._waited_for]
        self._look(open_, timeout=self._wait, observe=observe)
        self._look(handled, timeout=timedelta(), observe=observe)
        return Proof(messages=self._found)

    def _look(
        self,
        handled: Sequence[SentDeadLetter],
        *,
        timeout: timedelta,
        observe: Observe = lambda _decided, _all: None,
        is_enough: Callable[[Mapping[Asked, Proven]], bool] = lambda _: False,
    ) -> None:
        self._add(one.dead_letter for one in handled)
        done = {message for message, one in self._found.items() if one.outcome is not RowOutcome.OPEN}
        watched = Watched(
            observe=lambda decided, _: observe(len(done) + decided, len(self._dead_letters)),
            rows=self._note,
            is_enough=is_enough,
        )
        asked = (asked_of(one.dead_letter) for one in handled)
        proof = self._proof.prove(
            [message for message in asked if message not in done], timeout=timeout, watched=watched
        )
        self._found |= proof.messages

    def _add(self, dead_letters: Iterable[DeadLetter]) -> None:
        """Several dead letters may hold one message: what shows that it is here serves all of them."""
        for dead_letter in dead_letters:
            message = asked_of(dead_letter)
            known = self._dead_letters[message]
            if dead_letter.queue_message_id in known:
                continue
            known[dead_letter.queue_message_id] = dead_letter
            if message in self._here and self._may_go(dead_letter):
                self._arrived([dead_letter])

    def _unwell(self, messages: Sequence[Asked], found: Mapping[Asked, Proven]) -> int:
        """Count what is neither completed nor, as far as is known, at work. `found` is newer than what is remembered."""
        return sum(self._is_unwell(found.get(message) or self._found[message]) for message in messages)

    def _is_unwell(self, one: Proven) -> bool:
        return _has_failed(one) or (one.outcome is RowOutcome.OPEN and one.message not in self._here)

    def _note(self, read: Collection[Proven]) -> None:
        here = {one.message for one in read if one.row and has_arrived(one.row, since=self._since)}
        self._written |= {one.message for one in read if one.row and one.row.updated_at >= self._since}
        new = here - self._here
        self._here |= new
        dead_letters = [
            dead_letter for message in new for dead_letter in self._dead_letters[message].values()
        ]
        self._arrived([dead_letter for dead_letter in dead_letters if self._may_go(dead_letter)])

    def _may_go(self, dead_letter: DeadLetter) -> bool:
        """Of an adopted dead letter an old row says nothing: it may be another's message."""
        return dead_letter.owner.rows_count or asked_of(dead_letter) in self._written


def _has_failed(one: Proven) -> bool:
    return one.outcome in (RowOutcome.FAILED, RowOutcome.ABANDONED, RowOutcome.DISCARDED)
