"""What Twilio no longer says of a message: redaction blanks texts and masks the other party's number
(docs/aws-facts.md#redaction)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

MASKED = re.compile(r"(?:[a-z]+:)?\+?\d+[Xx]{2,}\d*")
TEXT = "Body"
PLACE = ("Latitude", "Longitude")


class Content(StrEnum):
    """What Twilio's copy of a message shows."""

    TEXT = "text"
    MASKED = "masked"
    """A number is masked: the text was taken away with it, if there was one."""
    MEDIA_ONLY = "media only"
    """It has media and no text. Where the account's other messages have theirs, and none is redacted, it never had one."""
    DELETED = "deleted"
    """There is none. An alert may still hold what its webhook was told."""
    BLANK = "blank"
    """Nothing, or nothing any more."""


REDACTED = frozenset({Content.MASKED, Content.BLANK})
"""What shows that messages are redacted, or may be."""


def is_masked(value: str) -> bool:
    """Tell whether this is a number as redaction leaves it: `whatsapp:+1500555XXXX`."""
    return MASKED.fullmatch(value) is not None


def masked_names(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return which parameters are masked numbers; what a person wrote is not looked at."""
    return tuple(name for name, value in variables.items() if name != TEXT and is_masked(value))


def is_without_text(variables: Mapping[str, str]) -> bool:
    """Tell whether the text is blank where one may have been: a place that is sent has none."""
    return not variables.get(TEXT) and not all(variables.get(name) for name in PLACE)
