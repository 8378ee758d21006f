"""SQS as a look sees it: messages that hide for a time, counters, a clock that calls move on, and calls that fail."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from b2bpilot.aws.queue import Receipt
from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.pipeline.dead_letter import DeadLetter, read_dead_letter
from tests.events import message, ours, received, sns_event


class Killed(BaseException):
    """What no `except Exception` sees, as Ctrl-C."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What the call of this number raises, before or after it did its work."""

    call: int
    error: BaseException
    done: bool = False


class FakeQueue:
    """Gives the first visible messages, ten at a time, as the emulator does. May be used by several threads."""

    def __init__(
        self,
        messages: Iterable[dict[str, Any]],
        *,
        fault: Fault | None = None,
        seconds_per_call: float = 0.01,
        counters_say: Callable[[Counters], Counters] = lambda true: true,
    ) -> None:
        self.messages = list(messages)
        self.visible_at = [0.0] * len(self.messages)
        self.now = 0.0
        self.longest_hidden = 0.0
        self.calls: list[str] = []
        self._handles: dict[str, int] = {}
        self._numbers = itertools.count()
        self._fault = fault
        self._seconds_per_call = seconds_per_call
        self._counters_say = counters_say
        self._lock = threading.Lock()

    def clock(self) -> float:
        return self.now

    def hidden(self) -> list[int]:
        """Which messages nobody else could receive at this moment."""
        return [n for n, visible_at in enumerate(self.visible_at) if visible_at > self.now]

    def counters(self) -> Counters:
        with self._lock:
            fail_after = self._begin("counters")
            hidden = len(self.hidden())
            true = Counters(visible=len(self.messages) - hidden, hidden=hidden, delayed=0)
            self._end(fail_after)
            return self._counters_say(true)

    def receive(self, *, hidden_seconds: int, wait_seconds: int) -> list[DeadLetter]:
        with self._lock:
            fail_after = self._begin("receive")
            found = [n for n, visible_at in enumerate(self.visible_at) if visible_at <= self.now][:10]
            if not found:
                self.now += wait_seconds
            dead_letters = [self._hand_out(n, hidden_seconds) for n in found]
            self._end(fail_after)
            return dead_letters

    def extend(self, dead_letters: Sequence[Receipt], seconds: int) -> list[Receipt]:
        return self._change("extend", dead_letters, seconds)

    def release(self, dead_letters: Sequence[Receipt]) -> list[Receipt]:
        return self._change("release", dead_letters, 0)

    def _change(self, call: str, dead_letters: Sequence[Receipt], seconds: int) -> list[Receipt]:
        with self._lock:
            fail_after = self._begin(call)
            for dead_letter in dead_letters:
                self._hide(self._handles[dead_letter.receipt_handle], seconds)
            self._end(fail_after)
            return []

    def _hand_out(self, n: int, hidden_seconds: int) -> DeadLetter:
        handle = f"handle-{next(self._numbers)}"
        self._handles[handle] = n
        self._hide(n, hidden_seconds)
        return ours(read_dead_letter({**self.messages[n], "ReceiptHandle": handle}))

    def _hide(self, n: int, seconds: float) -> None:
        self.longest_hidden = max(self.longest_hidden, seconds)
        self.visible_at[n] = self.now + seconds

    def _begin(self, call: str) -> BaseException | None:
        """Raise the fault if it is this call's turn, or return it to be raised at the end."""
        self.now += self._seconds_per_call
        self.calls.append(call)
        if self._fault is None or len(self.calls) != self._fault.call:
            return None
        if not self._fault.done:
            raise self._fault.error
        return self._fault.error

    @staticmethod
    def _end(fail_after: BaseException | None) -> None:
        if fail_after is not None:
            raise fail_after


def dead(text: str = "boom", *, sent_at: int = 1_791_564_206_327, **changes: Any) -> dict[str, Any]:
    """A message as SQS gives it for a run that failed with `text`; `changes` are the inner message's."""
    found = received(
        sns_event(message(**changes)),
        RequestID=("String", "045aed0d-5e0a-4e8d-96dc-2a992a1cf962"),
        ErrorCode=("Number", "200"),
        ErrorMessage=("String", text),
    )
    found["Attributes"]["SentTimestamp"] = str(sent_at)
    return found
