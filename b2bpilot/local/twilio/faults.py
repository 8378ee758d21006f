"""What can be made to go wrong, so many times: an error answer, a cut one, none at all."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    REFUSE = "refuse"
    """Answer with the status and the code, and do nothing."""
    CUT = "cut"
    """Do it, and end the connection in the middle of the answer."""
    GARBAGE = "garbage"
    """Do it, and answer with half a document that looks complete."""
    DROP = "drop"
    """Do it, and end the connection without an answer: nobody can tell."""
    LATE = "late"
    """End the connection without an answer, and do it `seconds` later."""
    PAGE = "page"
    """Answer with the status and a page of HTML, as a gateway does, and do nothing."""
    STALE = "stale"
    """Show everything as it was before it was written last."""
    LAG = "lag"
    """List nothing that is younger than `seconds`; by its SID everything is there."""


@dataclass(slots=True, kw_only=True)
class PlannedFault:
    """`matching` is searched in `METHOD /product/path`; `after` so many of those go well first."""

    fault: Fault
    matching: str = ""
    status: int = 500
    code: int = 20500
    times: int = 1
    after: int = 0
    seconds: float = 0


class Faults:
    """Safe for threads."""

    def __init__(self) -> None:
        self._planned: list[PlannedFault] = []
        self._lock = threading.Lock()

    def plan(self, planned: PlannedFault) -> None:
        with self._lock:
            self._planned.append(planned)

    def forget(self) -> None:
        """Let everything go well from now on."""
        with self._lock:
            self._planned.clear()

    def next(self, method: str, path: str) -> PlannedFault | None:
        """Return the fault that this request meets, and use it up."""
        with self._lock:
            for planned in self._planned:
                if planned.times > 0 and re.search(planned.matching, f"{method} {path}"):
                    if planned.after > 0:
                        planned.after -= 1
                        return None
                    planned.times -= 1
                    return planned
        return None
