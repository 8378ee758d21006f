"""Judging what AWS only accepted: by the rows, while the run goes on and at its end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta

from b2bpilot.ops.deadletters.engine import Handled
from b2bpilot.ops.deadletters.proof import Fate, Proof, Prover, Rows
from b2bpilot.ops.deadletters.summary import message_id_of
from b2bpilot.pipeline.deadletter import DeadLetter


class RowsJudge:
    """Remembers what the rows said of a window's messages, so that only those that are open are asked for again.

    `arrived` gets each letter once, when the rows show that the processor got its message.
    """

    def __init__(
        self,
        rows: Rows,
        *,
        since: datetime,
        wait: timedelta,
        arrived: Callable[[Sequence[DeadLetter]], None] = lambda _: None,
    ) -> None:
        self._prover = Prover(rows)
        self._since = since
        self._wait = wait
        self._arrived = arrived
        self._letters: defaultdict[str, dict[str, DeadLetter]] = defaultdict(dict)
        self._here: set[str] = set()
        self._fates: dict[str, Fate] = {}
        self._reasons: dict[str, str] = {}

    def unconfirmed(self, handled: Sequence[Handled]) -> int:
        """Return how many failed again, or did not arrive within the time."""
        self._look(handled, timeout=self._wait)
        return sum(not self._is_well(message_id_of(one)) for one in handled)

    def proof(
        self, handled: Sequence[Handled], *, observe: Callable[[int, int], None] = lambda _decided, _all: None
    ) -> Proof:
        """Return every fate at the end; who was never asked about is waited for, the others are looked at once more."""
        new = [one for one in handled if message_id_of(one) not in self._fates]
        self._look(new, timeout=self._wait, observe=observe)
        self._look(handled, timeout=timedelta(), observe=observe)
        return Proof(fates=self._fates, reasons=self._reasons)

    def _look(
        self,
        handled: Sequence[Handled],
        *,
        timeout: timedelta,
        observe: Callable[[int, int], None] = lambda _decided, _all: None,
    ) -> None:
        self._add(one.letter for one in handled)
        done = self._decided()
        proof = self._prover.prove(
            list({message_id_of(one): None for one in handled if message_id_of(one) not in done}),
            since=self._since,
            timeout=timeout,
            observe=lambda decided, _: observe(len(done) + decided, len(self._letters)),
            arrived=self._note,
        )
        self._fates |= proof.fates
        self._reasons |= proof.reasons

    def _add(self, letters: Iterable[DeadLetter]) -> None:
        """Several letters may hold one message: what shows that it is here serves all of them."""
        for letter in letters:
            message_id = letter.message.message_id if letter.message else ""
            known = self._letters[message_id]
            if letter.queue_message_id in known:
                continue
            known[letter.queue_message_id] = letter
            if message_id in self._here:
                self._arrived([letter])

    def _decided(self) -> set[str]:
        return {message_id for message_id, fate in self._fates.items() if fate is not Fate.UNKNOWN}

    def _is_well(self, message_id: str) -> bool:
        fate = self._fates[message_id]
        return fate is Fate.COMPLETED or (fate is Fate.UNKNOWN and message_id in self._here)

    def _note(self, message_ids: Collection[str]) -> None:
        new = set(message_ids) - self._here
        self._here |= new
        self._arrived([letter for message_id in new for letter in self._letters[message_id].values()])
