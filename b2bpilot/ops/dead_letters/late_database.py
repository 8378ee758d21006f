"""A database that is opened by the first question to it, so that this can go on beside something else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from b2bpilot.pipeline.models import Progress


class Database(Protocol):
    """The part of DatabaseManager that a redrive uses."""

    def progress_of(self, message_ids: Sequence[str]) -> dict[str, Progress]: ...
    def now(self) -> datetime: ...


class LateDatabase:
    """`connect` may read a secret and import the driver; the block's end closes what it gave."""

    def __init__(self, connect: Callable[[], AbstractContextManager[Database]]) -> None:
        self._connect = connect
        self._opened: Database | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def progress_of(self, message_ids: Sequence[str]) -> dict[str, Progress]:
        return self._database().progress_of(message_ids)

    def now(self) -> datetime:
        return self._database().now()

    def _database(self) -> Database:
        if self._opened is None:
            self._opened = self._open.enter_context(self._connect())
        return self._opened
