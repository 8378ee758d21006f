"""A seam that knows what was done behind it, and what a command may say of it then."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.faults.proxies.calls import CallProxy
from tests.faults.proxies.dialect import Answer, Call, Dialect
from tests.faults.proxies.trouble import CallFault, Trouble

CHANGES = re.compile(
    r"^(Publish|PublishBatch|SendMessage|SendMessageBatch|DeleteMessage|DeleteMessageBatch|Invoke .*|POST .*)$"
)
"""The operations that do what a command is asked to do. To receive a message and to hide it changes nothing that counts."""
DONE = r"(?:changed|sent|published|processed|run|done|deleted|discarded|put back|restored|replaced|switched|begun)"
CLAIMS = (
    re.compile(rf"\bnothing (?:was|is|has been|had been) {DONE}", re.IGNORECASE),
    re.compile(rf"\bbefore (?:it|anything) (?:changed|sent|was {DONE})", re.IGNORECASE),
    re.compile(rf"\bno (?:message|dead letter|row)s? (?:was|were) {DONE}", re.IGNORECASE),
    re.compile(r"\bwas not reached\b", re.IGNORECASE),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AtCalls(Trouble):
    """A fault at certain calls that change something, counted from 1."""

    numbers: frozenset[int] = frozenset()
    fault: CallFault | None = None
    _count: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fault_of(self, operation: str, drawn: float) -> CallFault | None:  # the base's
        if not CHANGES.match(operation):
            return None
        with self._lock:
            number = next(self._count)
        return self.fault if number in self.numbers else None


class Seam(CallProxy):
    """Writes down each call that changes something and was carried out. `then` hears how many they are, before the answer."""

    def __init__(self, seed: str, dialect: Dialect) -> None:
        self.done: list[Call] = []
        self.then: Callable[[int], None] = lambda _: None
        super().__init__(seed, dialect)

    def forward(self, call: Call) -> Answer:
        answer = super().forward(call)
        if CHANGES.match(self.dialect.operation(call)) and answer.status < 300:  # a success
            self.done.append(call)
            self.then(len(self.done))
        return answer


def untrue(said: str, code: int, *, done: int) -> Sequence[str]:
    """Return what is not so in what a command said, when so many changes were carried out."""
    if not done:
        return []
    claimed = [found.group() for claim in CLAIMS if (found := claim.search(said))]
    wrong = [f"{text!r}, after {done} changes" for text in claimed]
    if code in (1, 2, 5):
        wrong.append(f"exit code {code}, after {done} changes")
    return wrong
