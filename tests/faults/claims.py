"""A seam that knows what was done behind it, and what a command may say of it then."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from b2bpilot.twilio.signature import SIGNATURE_HEADER, signature_for
from tests.faults.proxies.calls import CallProxy
from tests.faults.proxies.dialect import HTTP_API, Answer, Call, Dialect
from tests.faults.proxies.trouble import CallFault, Trouble

CHANGES = re.compile(
    r"^(Publish|PublishBatch|SendMessage|SendMessageBatch|DeleteMessage|DeleteMessageBatch|Lambda PUT|Invoke .*|POST .*)$"
)
"""The operations that do what a command is asked to do. To receive a message and to hide it changes nothing that counts."""
GUARD = re.compile(r"redriver-[^/]*/invocations$")
"""Called by hand, it looks whether it is to be on, and changes nothing."""
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
    """Writes down each call that changes something and was carried out. `then` hears how many they are, before the answer.

    While it `is_stale`, what was changed is shown as it was before. While it has a Twilio account's `token`, who asks where the
    webhook is comes back through here, and what is sent there is signed anew for where it leads.
    """

    def __init__(self, seed: str, dialect: Dialect) -> None:
        self.done: list[Call] = []
        self.then: Callable[[int], None] = lambda _: None
        self.is_stale = False
        self.token = ""
        self._before: dict[str, Answer] = {}
        self._hidden, self._shown = b"", b""
        super().__init__(seed, dialect)

    def lead_to(self, url: str) -> None:
        self._hidden, self._shown = url.encode(), self.url.encode()
        super().lead_to(url)

    def start_anew(self, *, is_stale: bool) -> None:
        self.done.clear()
        self._before.clear()
        self.is_stale = is_stale

    def forward(self, call: Call) -> Answer:
        is_change = CHANGES.match(self.dialect.operation(call)) and not GUARD.search(call.path)
        if self.is_stale and is_change and call.path not in self._before:
            self._before[call.path] = super().forward(replace(call, method="GET", body=b""))
        if self.is_stale and call.method == "GET" and call.path in self._before:
            return self._before[call.path]
        answer = super().forward(self._signed(call) if self.token else call)
        if is_change and answer.status < 300:  # a success
            self.done.append(call)
            self.then(len(self.done))
        body = answer.body.replace(self._hidden, self._shown) if self.token else answer.body
        return replace(answer, body=body)

    def _signed(self, call: Call) -> Call:
        if not call.path.startswith(HTTP_API):
            return call
        signature = signature_for(self.token, self._hidden.decode() + call.path, {})
        return replace(call, headers={**call.headers, SIGNATURE_HEADER.lower(): signature})


def untrue(said: str, code: int, *, done: int) -> Sequence[str]:
    """Return what is not so in what a command said, when so many changes were carried out."""
    if not done:
        return []
    claimed = [found.group() for claim in CLAIMS if (found := claim.search(said))]
    wrong = [f"{text!r}, after {done} changes" for text in claimed]
    if code in (1, 2, 5):
        wrong.append(f"exit code {code}, after {done} changes")
    return wrong
