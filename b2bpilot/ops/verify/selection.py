"""Which checks to run: all, some, or all but some, named by code or category."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from b2bpilot.errors import UsageError
from b2bpilot.ops.verify.check import Category, Check
from b2bpilot.ops.verify.checks.pair import THE_OTHER_ANSWERS

ALSO = {
    "e2e": Category.END_TO_END.value,
    "dlq": Category.DEAD_LETTERS.value,
    "subscription": Category.TOPIC.value,
}
"""Other names that people say."""


OF_SUBSCRIBERS = frozenset({"B2B035", "B2B105"})
"""Checks of other categories that tell of subscribers, too."""


def of_subscribers(checks: Sequence[Check]) -> list[Check]:
    """Return those that say whether a subscriber is right, whatever the rest of the environment is."""
    found = [one for one in checks if one.category is Category.SUBSCRIBERS or one.code in OF_SUBSCRIBERS]
    if not found:
        raise UsageError(
            "no check of subscribers is left to run", hint="leave --only or --skip out, or --subscriber"
        )
    return found


def for_sides(checks: Sequence[Check], *, both: bool) -> list[Check]:
    """Return what can be asked of one side, or of both. Of both it is always asked whether the other one answers: silence is
    no success. Raises UsageError where one side cannot answer anything that was chosen."""
    of_one = [one for one in checks if one.category is not Category.PAIR]
    if both:
        first = [] if any(one.code == THE_OTHER_ANSWERS.code for one in checks) else [THE_OTHER_ANSWERS]
        return [*of_one, *first, *(one for one in checks if one.category is Category.PAIR)]
    if not of_one:
        raise UsageError("the checks of a pair need both its sides", hint="add --both")
    return of_one


def select(checks: Sequence[Check], *, only: Sequence[str], skip: Sequence[str]) -> list[Check]:
    """Return the checks in their order. Raises UsageError for a name that is none, or when nothing is left."""
    wanted, unwanted = _codes(checks, only, "--only"), _codes(checks, skip, "--skip")
    chosen = [check for check in checks if (not only or check.code in wanted) and check.code not in unwanted]
    if not chosen:
        raise UsageError("no check is left to run", hint="leave --only or --skip out")
    return chosen


def _codes(checks: Sequence[Check], names: Sequence[str], option: str) -> set[str]:
    return {code for name in names for code in _named(checks, name, option)}


def _named(checks: Sequence[Check], name: str, option: str) -> list[str]:
    wanted = ALSO.get(name.lower(), name.lower())
    if found := [check.code for check in checks if wanted in (check.code.lower(), check.category.value)]:
        return found
    known = [*Category, *(check.code for check in checks)]
    close = get_close_matches(wanted, [word.lower() for word in known], n=3, cutoff=0.5)
    spelled = [word.upper() if word.startswith("b2b") else word for word in close]
    raise UsageError(
        f"{option}: {name!r} is neither a check's code nor a category",
        hint=f"did you mean {', '.join(spelled)}?" if spelled else f"categories are {', '.join(Category)}",
    )
