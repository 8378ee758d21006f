"""What the rows say of what was sent: of each stage while the run goes on, and of everything at its end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from b2bpilot.ops.dead_letters.decision import asked_of
from b2bpilot.ops.progress import Phase, ProgressEvent, Report, quiet
from b2bpilot.ops.redrive.routes import SentDeadLetter
from b2bpilot.ops.table.asked import Table
from b2bpilot.ops.table.row_proof import (
    Proof,
    ProofWatcher,
    Proven,
    RowOutcome,
    RowProof,
    failed_since,
    has_arrived,
)
from b2bpilot.ops.table.row_state import Asked
from b2bpilot.pipeline.dead_letter import DeadLetter

HAVE_FAILED = frozenset({RowOutcome.FAILED, RowOutcome.ABANDONED, RowOutcome.DISCARDED})


class StageProof:
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
        self._have_arrived: set[Asked] = set()
        self._written: set[Asked] = set()
        """Those whose rows the processor wrote since the run began."""
        self._waited_for: set[Asked] = set()
        self._proven: dict[Asked, Proven] = {}

    def unconfirmed(self, sent: Sequence[SentDeadLetter], *, most: int) -> int:
        """Return how many failed again, or did not arrive within the time; as soon as they cannot be more than `most`,
        only how many failed so far."""
        messages = [asked_of(one.dead_letter) for one in sent]
        self._ask(sent, timeout=self._wait, is_enough=lambda rows: self._count_bad(messages, rows) <= most)
        if (bad := self._count_bad(messages, self._proven)) > most:
            self._waited_for |= set(messages)
            return bad
        return sum(self._proven[message].outcome in HAVE_FAILED for message in messages)

    def outcomes(self, sent: Sequence[SentDeadLetter], *, report: Report = quiet) -> Proof:
        """Return every outcome at the end. Who had the whole time already is looked at once more."""
        open_ = [one for one in sent if asked_of(one.dead_letter) not in self._waited_for]
        self._ask(open_, timeout=self._wait, report=report)
        self._ask(sent, timeout=timedelta(), report=report)
        return Proof(messages=self._proven)

    def _ask(
        self,
        sent: Sequence[SentDeadLetter],
        *,
        timeout: timedelta,
        report: Report = quiet,
        is_enough: Callable[[Mapping[Asked, Proven]], bool] = lambda _: False,
    ) -> None:
        self._add(one.dead_letter for one in sent)
        done = {message for message, one in self._proven.items() if one.outcome is not RowOutcome.OPEN}
        watched = ProofWatcher(
            observe=lambda decided, _: report(
                ProgressEvent(phase=Phase.PROVING, done=len(done) + decided, total=len(self._dead_letters))
            ),
            rows=self._note,
            is_enough=is_enough,
        )
        messages = (asked_of(one.dead_letter) for one in sent)
        proof = self._proof.prove(
            [message for message in messages if message not in done], timeout=timeout, watched=watched
        )
        self._proven |= proof.messages

    def _add(self, dead_letters: Iterable[DeadLetter]) -> None:
        """Several dead letters may hold one message: what shows that it arrived serves all of them."""
        for dead_letter in dead_letters:
            message = asked_of(dead_letter)
            known = self._dead_letters[message]
            if dead_letter.queue_message_id in known:
                continue
            known[dead_letter.queue_message_id] = dead_letter
            if message in self._have_arrived and self._counts(dead_letter):
                self._arrived([dead_letter])

    def _count_bad(self, messages: Sequence[Asked], newer: Mapping[Asked, Proven]) -> int:
        """Count what is neither completed nor, as far as is known, at work. `newer` is newer than what is remembered."""
        return sum(self._is_bad(newer.get(message) or self._proven[message]) for message in messages)

    def _is_bad(self, one: Proven) -> bool:
        is_missing = one.outcome is RowOutcome.OPEN and one.message not in self._have_arrived
        return one.outcome in HAVE_FAILED or is_missing

    def _note(self, read: Collection[Proven]) -> None:
        arrived = {one.message for one in read if one.row and has_arrived(one.row, since=self._since)}
        self._written |= {one.message for one in read if one.row and one.row.updated_at >= self._since}
        new = arrived - self._have_arrived
        self._have_arrived |= new
        dead_letters = [
            dead_letter for message in new for dead_letter in self._dead_letters[message].values()
        ]
        self._arrived([dead_letter for dead_letter in dead_letters if self._counts(dead_letter)])

    def _counts(self, dead_letter: DeadLetter) -> bool:
        """Of an adopted dead letter an old row says nothing: it may be another's message."""
        return dead_letter.owner.rows_count or asked_of(dead_letter) in self._written
