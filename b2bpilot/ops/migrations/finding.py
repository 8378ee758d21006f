"""What was found about the table that stands in the way of messages, or may."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")


class FitnessTopic(StrEnum):
    """What a finding is about."""

    TABLE = "table"
    """Its kind, its columns and its rules."""
    PRIVILEGES = "privileges"
    ROW_SECURITY = "row security"
    ENCODING = "encoding"


@dataclass(frozen=True, slots=True, kw_only=True)
class FitnessFinding:
    """`remedy` is what an operator may do: SQL, or words. Not `is_proven`: the catalogue cannot tell what it does to messages."""

    topic: FitnessTopic
    text: str
    remedy: str
    is_proven: bool


def quoted(name: str) -> str:
    """Return a name as SQL has it."""
    return name if PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def obstacle(topic: FitnessTopic, text: str, remedy: str) -> FitnessFinding:
    return FitnessFinding(topic=topic, text=text, remedy=remedy, is_proven=True)


def doubt(topic: FitnessTopic, text: str, remedy: str) -> FitnessFinding:
    return FitnessFinding(topic=topic, text=text, remedy=remedy, is_proven=False)
