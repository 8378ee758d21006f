"""What a command has in place of an option that it does not have, and that other commands or programs do."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from b2bpilot.cli.frame.commands import GLOBAL

ASKING = ("--yes", "-y", "--confirm")
ALIKE = (
    ASKING,
    ("--follow", "-f", "--watch", "-w"),
    ("--limit", "--lines", "-n", "--max-items"),
    ("--since", "--window", "--start-time"),
    ("--output", "--format", "--json"),
    ("--env", "--environment", "--stack-name"),
    ("--dry-run", "--check", "--no-execute-changeset"),
)
"""Options for one thing."""


def instead_of(option: str, context: Any) -> Sequence[str]:
    """Return the options of the context's command that were meant, most likely: first those for the same thing."""
    known = _options(context)
    for alike in ALIKE:
        if option in alike and (found := [one for one in alike if one in known]):
            return found
    by_word = {one.strip("-"): one for one in known}
    return [by_word[word] for word in get_close_matches(option.strip("-"), by_word)]


def is_needless(option: str, context: Any) -> bool:
    """Whether it confirms what this command does not ask."""
    is_group = context is None or hasattr(context.command, "commands")
    return option in ASKING and not is_group and _options(context).isdisjoint(ASKING)


def _options(context: Any) -> set[str]:
    """By their long names: those that help shows, and the global ones."""
    params = context.command.get_params(context) if context else ()
    shown = (one for one in params if not getattr(one, "hidden", False) or one.name.startswith(GLOBAL))
    return {option for one in shown for option in one.opts if option.startswith("--")}
