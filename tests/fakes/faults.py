"""What goes wrong in a test: a fault for each call, in the order of the calls, whoever of the fakes is called."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

ENDPOINT = "https://aws.example"


class Crash(BaseException):
    """What no `except Exception` sees: a Ctrl-C, or Lambda's end of a function in the middle of a batch."""


class Killed(BaseException):
    """The process ends here, as with kill -9: nothing catches it, nothing after it happens."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of one call: it fails before its work or after it, or is done in part."""

    name: str
    error: Callable[[], BaseException] | None = field(default=None, repr=False)
    is_done: bool = False
    """Whether the error comes when the work is done."""
    is_partial: bool = False

    @classmethod
    def of(cls, error: BaseException, *, is_done: bool = False) -> Self:
        return cls(type(error).__name__, lambda: error, is_done)


def refusal(code: str, status: int = 400) -> ClientError:
    """An error of AWS's that says clearly that nothing was done."""
    answer = {"Error": {"Code": code, "Message": "sorry"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "")  # type: ignore[arg-type]  # a TypedDict


NONE = Fault("none")
REFUSED = Fault("refused", lambda: refusal("InvalidParameterValue"))
THROTTLED = Fault("throttled", lambda: refusal("ThrottlingException"))
LOST_REQUEST = Fault("lost request", lambda: ConnectionClosedError(endpoint_url=ENDPOINT))
LOST_ANSWER = Fault("lost answer", lambda: ReadTimeoutError(endpoint_url=ENDPOINT), is_done=True)
PARTIAL = Fault("partial", is_partial=True)
CRASH = Fault("crash", Crash)
DRAWN = (NONE, REFUSED, THROTTLED, LOST_REQUEST, LOST_ANSWER, PARTIAL, CRASH)
"""What a property test draws from."""


class Faults:
    """`planned` is for the next calls `among` these; the others, and those after the last fault, succeed."""

    def __init__(self, planned: Iterable[Fault] = (), *, among: Collection[str] | None = None) -> None:
        self.always: dict[str, Fault] = {}
        """By the name of a call: each one of it, until it is taken out."""
        self.is_dead = False
        self.lock = threading.RLock()
        """Faults are planned in the order of the calls: there is one at a time."""
        self._planned = itertools.chain(planned, itertools.repeat(NONE))
        self._among = among

    @classmethod
    def at(cls, number: int, fault: Fault, *, among: Collection[str] | None = None) -> Self:
        """One call of those `among` which there is a choice, counted from 1."""
        return cls([NONE] * (number - 1) + [fault], among=among)

    @classmethod
    def killed_at(cls, number: int, *, after: bool, among: Collection[str]) -> Self:
        return cls.at(number, Fault("killed", Killed, is_done=after), among=among)

    @contextmanager
    def around(self, call: str) -> Iterator[Fault]:
        """What is done within the block is the call's work. Raises what the fault says, and Killed once the process is dead."""
        with self.lock:
            if self.is_dead:
                raise Killed
            fault = self.always.get(call) or self._next(call)
            if not fault.is_done:
                self._raise(fault)
            yield fault
            if fault.is_done:
                self._raise(fault)

    def _next(self, call: str) -> Fault:
        return next(self._planned) if self._among is None or call in self._among else NONE

    def _raise(self, fault: Fault) -> None:
        if fault.error is not None:
            error = fault.error()
            self.is_dead = isinstance(error, Killed)
            raise error
