"""The patterns of CloudWatch's metric filters, as far as our template uses them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

WHOLE = re.compile(r"\s*\{(?P<inside>.*)\}\s*", re.DOTALL)
COMPARISON = re.compile(r'\s*\$\.(?P<field>\w+)\s*(?P<operator>!?=)\s*"(?P<value>[^"]*)"\s*')

Matches = Callable[[Mapping[str, object]], bool]


def log_pattern(text: str) -> Matches:
    """Return what tells whether a line matches.

    Understood are comparisons of a field with a text, in which `*` stands for anything, all of which must hold (`&&`) in
    one of the alternatives (`||`). Raises ValueError for everything else.
    """
    whole = WHOLE.fullmatch(text)
    if whole is None:
        raise ValueError(f"{text!r} is not understood here")
    alternatives = [
        [_comparison(part, text) for part in _bare(alternative).split("&&")]
        for alternative in whole["inside"].split("||")
    ]
    return lambda line: any(all(holds(line) for holds in every) for every in alternatives)


def _comparison(part: str, whole: str) -> Matches:
    found = COMPARISON.fullmatch(_bare(part))
    if found is None:
        raise ValueError(f"{whole!r} is not understood here")
    field, is_equal = found["field"], found["operator"] == "="
    value = re.compile(".*".join(map(re.escape, found["value"].split("*"))), re.DOTALL)

    def holds(line: Mapping[str, object]) -> bool:
        said = line.get(field)
        return (isinstance(said, str) and value.fullmatch(said) is not None) is is_equal

    return holds


def _bare(text: str) -> str:
    """Take off the brackets around an expression; those around an expression's parts belong to these."""
    inside = text.strip()
    is_around = inside.startswith("(") and inside.endswith(")") and _closes_at_end(inside)
    return inside[1:-1] if is_around else inside


def _closes_at_end(text: str) -> bool:
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return place == len(text) - 1
    return False
