"""Commands of ours in a text, completed so that they reach the same place when they are pasted into another shell."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

FLAGS = {
    "env": ("-e", "--env"),
    "region": ("--region",),
    "profile": ("--profile",),
    "endpoint_url": ("--endpoint-url",),
}
"""How each setting is written, first as we write it. What the next shell has too, a variable or a file, is not repeated."""
GROUPS = ("dlq", "submissions", "twilio", "runs")
ALONE = ("publish", "load", "inspect", "logs", "subscriptions", "status", "verify", "diagnose", "migrate")
WORDS = rf"(?:(?:{'|'.join(GROUPS)}) [a-z]+(?:-[a-z]+)*|(?:{'|'.join(ALONE)})\b)"
REST = r"(?:[^`,;)&|\n]|,(?! ))*"
INLINE = re.compile(
    rf"(?P<before>`|[:(,;] (?:or )?|\()b2bpilot (?P<options>(?:--\S+ \S+ )*)(?P<words>{WORDS})(?P<rest>{REST})"
)
WHOLE = re.compile(
    rf"(?P<before>^\s*)b2bpilot (?P<options>(?:--\S+ \S+ )*)(?P<words>{WORDS})(?P<rest>{REST})"
)
FROM_THE_JOURNAL = frozenset({"env", "region"})
"""What a run itself knows."""
OF_RUNS = {"runs resume": FROM_THE_JOURNAL, "runs show": frozenset(FLAGS), "runs list": frozenset(FLAGS)}
DATABASE = '--database-url "${B2BPILOT_DATABASE_URL:?}"'
"""The URL may hold a password: the next shell has it in a variable, or stops there."""
OF_THE_TABLE = ("migrate", "submissions list", "submissions show", "submissions stuck")
KEYS = frozenset({"command", "commands", "next", "mend", "hint"})


def completed(text: str, given: Mapping[str, str | bool], *, is_whole: bool = True) -> str:
    """Return the text with the options of this command line in each command of ours that lacks them.

    A command stands behind a backtick, a colon or the like, and with `is_whole` also alone on its line: other people's
    words that happen to hold one stay as they are.
    """
    if "b2bpilot " not in text or not given:
        return text
    inline = INLINE.sub(lambda found: _with_options(found, given), text)
    return WHOLE.sub(lambda found: _with_options(found, given), inline) if is_whole else inline


def completed_fields(fields: Mapping[str, Any], given: Mapping[str, str | bool]) -> dict[str, Any]:
    """Return a document with the commands in it completed: they stand under KEYS."""
    return (
        {name: _completed_value(name, value, given) for name, value in fields.items()}
        if given
        else {**fields}
    )


def _completed_value(name: str, value: Any, given: Mapping[str, str | bool]) -> Any:
    match value:
        case str():
            return completed(value, given) if name in KEYS else value
        case Mapping():
            return completed_fields(value, given)
        case list() | tuple():
            return [_completed_value(name, one, given) for one in value]
    return value


def _with_options(found: re.Match[str], given: Mapping[str, str | bool]) -> str:
    options, words, rest = found["options"], found["words"], found["rest"]
    if "--help" in rest:
        return found[0]
    there = {word.partition("=")[0] for word in f"{options} {rest}".split()}
    known = OF_RUNS.get(words, frozenset())
    more = [
        f"{flags[0]} {shlex.quote(str(given[name]))}"
        for name, flags in FLAGS.items()
        if name in given and name not in known and not there.intersection(flags)
    ]
    if "database_url" in given and words in OF_THE_TABLE and "--database-url" not in there:
        more.append(DATABASE)
    return " ".join([f"{found['before']}b2bpilot", *options.split(), words, *more]) + rest
