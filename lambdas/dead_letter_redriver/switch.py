"""The function's own mapping: whether a run is on, and the end of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from b2bpilot.aws.mappings import MappingReading
from b2bpilot.errors import AwsError
from b2bpilot.pipeline.remote_run import RemoteRun, ended_tags, remote_run

REMEMBERED_SECONDS = 10.0
"""Lambda allows an account 15 calls of this kind a second, for everything."""


class RunMapping(Protocol):
    """The part of aws.mappings.EventSourceMapping that is used here."""

    def read(self) -> MappingReading: ...
    def disable(self) -> None: ...
    def tags(self) -> dict[str, str]: ...
    def write_tags(self, tags: dict[str, str]) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Whether dead letters are handed out, and the run that this is for. On without a run is somebody's hand."""

    is_on: bool
    run: RemoteRun | None

    @property
    def run_id(self) -> str:
        return self.run.run_id if self.run else ""


class Switch:
    """Raises AwsError when AWS does not answer."""

    def __init__(self, mapping: RunMapping, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._mapping = mapping
        self._clock = clock
        self._known: tuple[float, Position] | None = None
        self._ended_at = -REMEMBERED_SECONDS

    def position(self) -> Position:
        """Return what the mapping said within the last ten seconds."""
        if self._known is None or self._clock() - self._known[0] >= REMEMBERED_SECONDS:
            self._known = (self._clock(), self.position_now())
        return self._known[1]

    def position_now(self) -> Position:
        return Position(is_on=self._mapping.read().state.is_on, run=remote_run(self._mapping.tags()))

    def end(self, run_id: str, because: str) -> None:
        """Disable the mapping, unless another run has begun meanwhile. The reason is for who asks later.

        Until Lambda has done it more batches come; they ask for it again, not more often than Lambda bears.
        """
        if self._clock() - self._ended_at < REMEMBERED_SECONDS:
            return
        self._ended_at = self._clock()
        self._known = None
        try:
            now = self.position_now()
        except AwsError:
            self._mapping.disable()
            raise
        if now.is_on and now.run_id == run_id:
            self._mapping.disable()
            if now.run and not now.run.ended:
                self._mapping.write_tags(ended_tags(because))
