"""What others print on our stderr: logging, warnings, a thread that died. They repeat what strangers sent."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TextIO


class Strays:
    """Stands in the place of stderr. Its lines stay lines; `safe` makes each fit to be shown."""

    def __init__(
        self,
        stream: TextIO,
        safe: Callable[[str], str],
        above_progress: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._stream, self._safe, self._above_progress = stream, safe, above_progress

    def write(self, text: str) -> int:
        with self._above_progress():
            self._stream.write("\n".join(map(self._safe, text.split("\n"))))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
