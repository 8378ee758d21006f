"""Finding what is meant by what was typed or pasted."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from b2bpilot.advice import our_command
from b2bpilot.errors import UsageError
from b2bpilot.ops.explain.explanations import explanations
from b2bpilot.ops.verify.explanation import Explanation, Subject
from b2bpilot.ops.verify.selection import ALSO

PREFIX = "b2b-pilot-"
"""An alarm's whole name, as a page or a mail has it, is this, its short name and the environment."""
FAMILIES = {"alarms": Subject.ALARM, "exit-codes": Subject.EXIT_CODE, "errors": Subject.ERROR}
"""Words for all of a kind, beside the categories of checks."""


def explained(names: Sequence[str]) -> list[Explanation]:
    """Return what the names mean, in their order and each once; all there is without a name. Raises UsageError."""
    known = list(explanations())
    found = [one for name in names for one in _named(name, known)]
    return list({(one.subject, one.name): one for one in found}.values()) if names else known


def _named(name: str, known: Sequence[Explanation]) -> list[Explanation]:
    typed = name.strip().lower()
    found = [one for one in known if typed in _words(one)] or _pasted_alarm(typed, known)
    found = found or [one for one in known if one.category and one.category == ALSO.get(typed)]
    if not found:
        raise _unknown(name, known)
    return found


def _words(one: Explanation) -> set[str]:
    family = {word for word, subject in FAMILIES.items() if subject is one.subject}
    return family | {one.name.lower(), one.name.lower().replace(" ", "-"), one.category or one.name.lower()}


def _pasted_alarm(typed: str, known: Sequence[Explanation]) -> list[Explanation]:
    alarms = [one for one in known if one.subject is Subject.ALARM]
    meant = [one for one in alarms if f"{typed}-".startswith(f"{PREFIX}{one.name}-")]
    return sorted(meant, key=lambda one: len(one.name))[-1:]


def _unknown(name: str, known: Sequence[Explanation]) -> UsageError:
    words = dict.fromkeys(word for one in known for word in (one.name, one.category) if word)
    if name.isdecimal() and f"B2B{name:0>3}" in words:
        close = [f"B2B{name:0>3}"]
    else:
        spelled = {word.lower(): word for word in words}
        close = [spelled[word] for word in get_close_matches(name.lower(), spelled, n=3, cutoff=0.5)]
    return UsageError(
        f"{name!r} is not a check, category, alarm, exit code, error code or cause of dead letters",
        hint=f"did you mean {', '.join(close)}?" if close else our_command("explain") + " lists them all",
    )
