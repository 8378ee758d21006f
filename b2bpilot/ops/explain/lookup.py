"""Finding what is meant by what was typed or pasted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

from b2bpilot.advice import our_command
from b2bpilot.errors import UsageError
from b2bpilot.ops.explain.explanations import explanations
from b2bpilot.ops.verify.explanation import Explanation, Subject
from b2bpilot.ops.verify.selection import ALSO

PREFIX = "b2b-pilot-"
"""An alarm's whole name, as a page or a mail has it, is this, its short name and the environment."""
FAMILIES = {
    "checks": Subject.CHECK,
    "alarms": Subject.ALARM,
    "exit-codes": Subject.EXIT_CODE,
    "errors": Subject.ERROR,
    "causes": Subject.DEAD_LETTER,
}
"""Words for all of a kind, beside the categories of checks."""
CODE = re.compile(r"b2b-?0*(\d{1,3})")
EXIT = re.compile(r"(?:exit-|rc-)(?:code-)?(\d+)")
GROUP = re.compile(r"g\d+")
HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def explained(names: Sequence[str]) -> list[Explanation]:
    """Return what the names mean, in their order and each once; all there is without a name. Raises UsageError."""
    known = list(explanations())
    if len(names) > 1 and all(map(str.strip, names)) and (whole := _found(" ".join(names), known)):
        return whole
    found = [one for name in names for one in _named(name, known)]
    return list({(one.subject, one.name): one for one in found}.values()) if names else known


def _named(name: str, known: Sequence[Explanation]) -> list[Explanation]:
    found = _found(name, known)
    if not found:
        raise _unknown(name, known)
    return found


def _found(name: str, known: Sequence[Explanation]) -> list[Explanation]:
    typed = _plain(name)
    for word in (typed, f"{typed}s", f"{typed}-codes"):
        if found := [one for one in known if word in _words(one)]:
            return found
    also = [one for one in known if one.category and one.category == ALSO.get(typed)]
    return _pasted_alarm(typed, known) or also


def _words(one: Explanation) -> set[str]:
    family = {word for word, subject in FAMILIES.items() if subject is one.subject}
    return family | {_plain(one.name), one.category or ""} - {""}


def _plain(name: str) -> str:
    """Return the one spelling of what may be typed in several: `b2b79`, `exit code 4`, `zero concurrency`."""
    typed = re.sub(r"[\s_-]+", "-", name.strip().lower())
    if code := CODE.fullmatch(typed):
        return f"b2b{code[1]:0>3}"
    number = EXIT.fullmatch(typed)
    return number[1] if number else typed


def _pasted_alarm(typed: str, known: Sequence[Explanation]) -> list[Explanation]:
    alarms = [one for one in known if one.subject is Subject.ALARM]
    meant = [one for one in alarms if f"{typed}-".startswith(f"{PREFIX}{one.name}-")]
    return sorted(meant, key=lambda one: len(one.name))[-1:]


def _unknown(name: str, known: Sequence[Explanation]) -> UsageError:
    if GROUP.fullmatch(_plain(name)):
        return UsageError(
            f"{name!r} is a group of dead letters, as one look at the queue numbered them",
            hint=our_command("dlq", "list") + " shows its cause",
        )
    words = dict.fromkeys(word for one in known for word in (one.name, one.category) if word)
    if name.isdecimal() and f"B2B{name:0>3}" in words:
        close = [f"B2B{name:0>3}"]
    elif name.endswith("Alarm"):
        close = _alarms_like(name.removesuffix("Alarm"), known)
    else:
        spelled = {word.lower(): word for word in words}
        close = [spelled[word] for word in get_close_matches(name.lower(), spelled, n=3, cutoff=0.5)]
    return UsageError(
        f"{name!r} is not a check, category, alarm, exit code, error code or cause of dead letters",
        hint=f"did you mean {', '.join(close)}?" if close else our_command("explain") + " lists them all",
    )


def _alarms_like(resource: str, known: Sequence[Explanation]) -> list[str]:
    """A name from the template, such as DLQAlarm, is not the alarm's own."""
    alarms = {one.name: one.name for one in known if one.subject is Subject.ALARM} | {"dead-letter": "dlq"}
    typed = HUMP.sub("-", resource).lower()
    return list(dict.fromkeys(alarms[name] for name in get_close_matches(typed, alarms, n=3, cutoff=0.5)))
