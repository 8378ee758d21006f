"""What differs from run to run and from machine to machine, by the same names each time: a picture changes where a command does."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

IDS = (
    (
        re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"),
        lambda _, n: str(uuid.uuid5(uuid.NAMESPACE_DNS, f"picture {n}")),
    ),
    (
        re.compile(r"\b\d{8}T\d{6}Z-([a-z]+)-[0-9a-f]{4}\b"),
        lambda found, n: f"20260105T090000Z-{found[1]}-{n:04x}",
    ),
    (re.compile(r"\b(SM|MM)[0-9a-f]{32}\b"), lambda found, n: f"{found[1]}{n:032x}"),
)
TIMES = re.compile(r"\b\d{4}-\d\d-\d\d([T ])\d\d:\d\d(:\d\d)?(\.\d{3})?")
MINUTES = re.compile(r"\b\d\d:\d\d(?= UTC\b)")
A_TIME = "2026-01-05T09:00:00.000"


class Renaming:
    """Gives each id the next stable one of its kind and length, the same one wherever it comes again."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts
        self._ids: dict[str, str] = {}

    def renamed(self, text: str) -> str:
        for pattern, name in IDS:
            text = pattern.sub(self._by(name), text)
        for found, stable in self._texts.items():
            text = text.replace(found, stable)
        text = MINUTES.sub(A_TIME[11:16], text)
        return TIMES.sub(lambda found: A_TIME[: len(found[0])].replace("T", found[1]), text)

    def _by(self, name: Callable[[re.Match[str], int], str]) -> Callable[[re.Match[str]], str]:
        def stable(found: re.Match[str]) -> str:
            if found[0] not in self._ids:
                self._ids[found[0]] = name(found, len(self._ids) + 1)
            return self._ids[found[0]]

        return stable
