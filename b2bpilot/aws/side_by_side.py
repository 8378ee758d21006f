"""Asking AWS the same of many things, a few at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")

AT_ONCE = 8


def of_each(ask: Callable[[T], U], things: Sequence[T]) -> list[U]:
    """Return the answers in the order of the things; raises what the first of them raised.

    In daemons: a pool's threads would keep a program that gave up waiting until the last of them has its answer.
    """
    answers: list[Future[U]] = [Future() for _ in things]
    left, lock = iter(zip(things, answers, strict=True)), threading.Lock()

    def work() -> None:
        while True:
            with lock:
                found = next(left, None)
            if found is None:
                return
            thing, answer = found
            try:
                answer.set_result(ask(thing))
            except BaseException as exc:  # noqa: BLE001  # told where the answer is read
                answer.set_exception(exc)

    for _ in range(min(AT_ONCE, len(things))):
        threading.Thread(target=work, daemon=True).start()
    return [answer.result() for answer in answers]
