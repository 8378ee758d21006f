"""Asking sources at the same time, each with its own time limit. What did not answer is named, never read as zero."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from b2bpilot.advice import Words
from b2bpilot.errors import PilotError, TimedOut

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")


class NoAnswer(TimedOut):
    """A source said nothing within its limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InquiryAnswer(Generic[T_co]):
    """What a source said, or why it said nothing. Exactly one of both is None."""

    value: T_co | None = None
    error: str | None = None
    hint: Words | None = None

    def map(self, change: Callable[[T_co], U]) -> U | None:
        """Return something made of the value; None without one."""
        return None if self.value is None else change(self.value)


class Inquiry(Generic[T]):
    """One source that is being asked, in a thread of its own. A daemon: what hangs must not keep the program."""

    def __init__(self, source: Callable[[], T], *, seconds: float) -> None:
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._future: Future[T] = Future()
        self._thread = threading.Thread(target=self._ask, args=(source,), daemon=True)
        self._thread.start()

    def answer(self) -> InquiryAnswer[T]:
        """Wait for it until its time is up, counted from when it was asked."""
        try:
            value = self._future.result(timeout=max(0.0, self._deadline - time.monotonic()))
        except TimeoutError:
            return InquiryAnswer(error=f"no answer within {self._seconds:g} s")
        except PilotError as exc:
            return InquiryAnswer(error=str(exc), hint=exc.hint)
        except Exception as exc:  # noqa: BLE001  # a surprise in one source must not hide what the others say
            return InquiryAnswer(error=f"{type(exc).__name__}: {exc}")
        return InquiryAnswer(value=value)

    def result(self, *, what: str) -> T:
        """Do as `answer` does for a source without which nothing else can be asked: raise what it raised, or NoAnswer."""
        try:
            return self._future.result(timeout=max(0.0, self._deadline - time.monotonic()))
        except TimeoutError as exc:
            raise NoAnswer(f"{what}: no answer within {self._seconds:g} s") from exc

    def end(self, *, seconds: float) -> None:
        """Give it a moment to clean up behind itself."""
        self._thread.join(seconds)

    def _ask(self, source: Callable[[], T]) -> None:
        try:
            self._future.set_result(source())
        except BaseException as exc:  # noqa: BLE001  # told where the answer is read
            self._future.set_exception(exc)


def ask_all(sources: Sequence[Callable[[], T]], *, seconds: float) -> list[InquiryAnswer[T]]:
    """Ask them side by side, each with the same limit; answer N belongs to source N."""
    asked = [Inquiry(source, seconds=seconds) for source in sources]
    return [one.answer() for one in asked]
