"""JSON that somebody else wrote: an object that can be written again as it is, or the reason why there is none."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from b2bpilot.errors import MessageUnreadable

MOST_LEVELS = 100
"""Ours has ten. Python reads and writes what is deeper or not, depending on where it is called."""
SHOWN_LENGTH = 40
NUMBER = re.compile(r"\d{7,}")
SURROGATE = re.compile("[\ud800-\udfff]")


def json_object(text: str, *, name: str = "the body") -> dict[str, Any]:
    """Return the object that `text` is. Raises MessageUnreadable, also for what Python reads but no JSON may hold."""
    try:
        found = DECODER.decode(text)
    except json.JSONDecodeError as exc:
        raise MessageUnreadable(f"{name} is not JSON") from exc
    except ValueError as exc:
        raise MessageUnreadable(f"{name} holds a number that is too large") from exc
    except RecursionError as exc:
        raise MessageUnreadable(f"{name} is nested too deeply") from exc
    if not isinstance(found, dict):
        raise MessageUnreadable(f"{name} is not a JSON object")
    if _is_too_deep(found):
        raise MessageUnreadable(f"{name} is nested too deeply")
    return found


def is_text(value: object) -> bool:
    """Whether the value is text that UTF-8 can hold: JSON can spell half of a surrogate pair."""
    return isinstance(value, str) and not SURROGATE.search(value)


def shown(value: object) -> str:
    """Return a wrong value as it may stand in an error: its beginning, without what could be a phone number."""
    text = NUMBER.sub("***", repr(value))
    return text if len(text) <= SHOWN_LENGTH else f"{text[:SHOWN_LENGTH]}..."


def _is_too_deep(document: dict[str, Any]) -> bool:
    level: list[Any] = [document]
    for _ in range(MOST_LEVELS):
        holders = [one for one in level if isinstance(one, dict | list)]
        if not holders:
            return False
        level = [value for one in holders for value in (one.values() if isinstance(one, dict) else one)]
    return True


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(digits)
    return number


def _refused(constant: str) -> NoReturn:
    raise json.JSONDecodeError(f"{constant} is no JSON", constant, 0)


DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_refused)
