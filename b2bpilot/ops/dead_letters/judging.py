"""Judging what AWS only accepted: by the rows, while the run goes on and at its end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from b2bpilot.ops.dead_letters.engine import Handled
from b2bpilot.ops.dead_letters.proof import Fate, Proof, Prover, Rows
from b2bpilot.ops.dead_letters.summary import message_id_of
from b2bpilot.pipeline.dead_letter import DeadLetter


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
        self._waited_for: set[str] = set()
        self._fates: dict[str, Fate] = {}
        self._reasons: dict[str, str] = {}

    def unconfirmed(self, handled: Sequence[Handled], *, most: int) -> int:
        """Return how many failed again, or did not arrive within the time; as soon as they cannot be more than `most`,
        only how many failed so far."""
        ids = [message_id_of(one) for one in handled]
        self._look(handled, timeout=self._wait, is_enough=lambda fates: self._unwell(ids, fates) <= most)
        if (unwell := self._unwell(ids, self._fates)) > most:
            self._waited_for |= set(ids)
            return unwell
        return sum(self._fates[message_id] is Fate.FAILED_AGAIN for message_id in ids)

    def proof(
        self, handled: Sequence[Handled], *, observe: Callable[[int, int], None] = lambda _decided, _all: None
    ) -> Proof:
        """Return every fate at the end. Who had the whole time already is looked at once more."""
        open_ = [one for one in handled if message_id_of(one) not in self._waited_for]
        self._look(open_, timeout=self._wait, observe=observe)
        self._look(handled, timeout=timedelta(), observe=observe)
        return Proof(fates=self._fates, reasons=self._reasons)

    def _look(
        self,
        handled: Sequence[Handled],
        *,
        timeout: timedelta,
        observe: Callable[[int, int], None] = lambda _decided, _all: None,
        is_enough: Callable[[Mapping[str, Fate]], bool] = lambda _: False,
    ) -> None:
        self._add(one.letter for one in handled)
        done = self._decided()
        proof = self._prover.prove(
            list({message_id_of(one): None for one in handled if message_id_of(one) not in done}),
            since=self._since,
            timeout=timeout,
            observe=lambda decided, _: observe(len(done) + decided, len(self._letters)),
            arrived=self._note,
            is_enough=is_enough,
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

    def _unwell(self, message_ids: Sequence[str], fates: Mapping[str, Fate]) -> int:
        """Count what is neither completed nor, as far as is known, at work. `fates` are newer than those remembered."""
        found = [(one, fates.get(one) or self._fates[one]) for one in message_ids]
        return sum(
            fate is Fate.FAILED_AGAIN or (fate is Fate.UNKNOWN and one not in self._here)
            for one, fate in found
        )

    def _note(self, message_ids: Collection[str]) -> None:
        new = set(message_ids) - self._here
        self._here |= new
        self._arrived([letter for message_id in new for letter in self._letters[message_id].values()])
