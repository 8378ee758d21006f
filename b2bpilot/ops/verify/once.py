"""Asking each source once, however many probes want its answer at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Once:
    """Keeps the first answer, an exception included, and gives it to all who ask with the same key."""

    def __init__(self) -> None:
        self._answers: dict[Hashable, Future[Any]] = {}
        self._lock = threading.Lock()

    def known(self, key: Hashable) -> Any:
        """Return the answer that somebody got before; None where nobody asked, or it was an exception."""
        answer = self._answers.get(key)
        return answer.result() if answer and answer.done() and answer.exception() is None else None

    def ask(self, key: Hashable, source: Callable[[], T]) -> T:
        """Return the answer of `source`; who comes second waits for it. Raises what the source raised."""
        with self._lock:
            known = self._answers.get(key)
            answer: Future[T] = known or self._answers.setdefault(key, Future())
        if known is None:
            try:
                answer.set_result(source())
            except BaseException as exc:
                answer.set_exception(exc)
                raise
        return answer.result()
