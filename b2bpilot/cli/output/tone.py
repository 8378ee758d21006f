"""What a text means, and how that looks: the same in every command."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from b2bpilot.advice import Place, Said, Words, written


class Tone(Enum):
    PLAIN = "plain"
    HEADING = "heading"
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    QUIET = "quiet"
    """Ids, and what can be passed over."""
    COMMAND = "command"
    """To be pasted: never broken."""
    DATA = "data"
    """For programs: never broken, never painted."""
    FIRST = "first"
    SECOND = "second"
    THIRD = "third"
    FOURTH = "fourth"


WHOLE = frozenset({Tone.COMMAND, Tone.DATA})
STYLES = {
    Tone.HEADING: "1",
    Tone.OK: "32",
    Tone.WARNING: "33",
    Tone.FAILED: "1;31",
    Tone.QUIET: "2",
    Tone.COMMAND: "36",
    Tone.FIRST: "94",
    Tone.SECOND: "96",
    Tone.THIRD: "35",
    Tone.FOURTH: "95",
}
"""A terminal's codes (SGR)."""


@dataclass(frozen=True, slots=True)
class Toned(Said):
    """Words with a meaning."""

    words: Words
    tone: Tone

    def parts(self) -> tuple[Words, ...]:
        return (self,)

    def written(self, place: Place) -> str:
        return written(self.words, place)


STATES = {
    Tone.OK: "accepted|adopted|applied|completed|finished|granted|healthy|ok|passed|processed|proved|stored|yes",
    Tone.FAILED: (
        "abandoned|broken|damaged|dead letter|drift|endpoint gone|failed|failed again|id taken|lost at Twilio|missing"
        "|no|not published|not published: throttled|not stored|unhealthy"
    ),
    Tone.WARNING: (
        "discarded, not marked|interrupted|late|pending|retry possible|stuck|unclear|unknown|unknown: perhaps published"
        "|unproven|waiting for a retry|warning"
    ),
    Tone.QUIET: "discarded|not needed|none|skipped",
}
TONES = {word: tone for tone, words in STATES.items() for word in words.split("|")}


def of_state(word: str) -> Words:
    """Return a state's word with what it means, whichever command says it."""
    tone = TONES.get(word.lower() if word.isupper() else word)
    return Toned(word, tone) if tone else word


ID = re.compile(
    r"(?<![\w:/-])(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[A-Z]{2}[0-9a-f]{32})\b"
)
"""A message's, a dead letter's, a request's, or one of Twilio's: quiet wherever it stands, but not as the end of an ARN or a URL."""
