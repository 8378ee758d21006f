"""The text of an error without what differs from one message to the next, so that one cause is one text."""

from __future__ import annotations

import re
from functools import lru_cache

LENGTH = 300
LONGEST = 4_096
"""Nobody looks further: a stranger's error may be a megabyte, and texts are remembered."""
CAUSES = 4_096
"""More different raw texts than this are worked out again, not remembered."""

DETAIL = re.compile(r"\b(DETAIL|CONTEXT):")
"""What PostgreSQL adds to an error: the whole row at times, numbers and texts of people in it."""
PROTECTED = re.compile(
    r"\b(?:HTTP(?:/\d(?:\.\d)?)?|status(?:[ _]?code)?|code|errno|SQLSTATE)(?:\s*[=:]\s*|\s+)\d{1,5}\b|\bx86_64\b",
    re.IGNORECASE,
)
"""A status or an error code is the cause itself: 503 and 400 are two of them. So is a processor's name."""
VARYING = re.compile(
    r"""
      (?P<kept><(?:id|time|host|n)>)
    | (?P<id>
          \b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b
        | \b0x[0-9a-f]+\b
        | \b[A-Z]{2}[0-9a-f]{32}\b
        | \b(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b
        | \b(?=(?:[a-z_-]*[0-9]){4})(?=[0-9_-]*[a-z])[a-z0-9_-]{24,}\b
      )
    | (?P<time>
          \b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|\s?[+-]\d\d:?\d\d)?)?
        | \b\d\d:\d\d:\d\d(?:[.,]\d+)?\b
      )
    | (?P<host>
          (?<=://)[^\s/'"<>]+
        | \b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b
        | (?<![\w:])(?=[a-f:]*[0-9])(?=[0-9a-f:]*::|(?:[0-9a-f]{1,4}:){7})[0-9a-f:]{3,39}(?![\w:])
        | \b(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+(?:com|net|org|io|dev|app|cloud|local|internal|test|example|eu|de|uk|us)\b(?::\d+)?
        | \blocalhost(?::\d+)?
        | (?<=[\s'"(])[a-z][a-z0-9.-]*:\d{2,5}\b(?!:)
      )
    | (?P<n> \+?(?<![A-Za-z\d])\d+(?:[.,]\d+)* | (?<=[A-Za-z])\d{3,} )
    """,
    re.VERBOSE | re.IGNORECASE,
)


def without_details(text: str) -> str:
    """Return the text on one line with ids, times, hosts and numbers as `<id>`, `<time>`, `<host>` and `<n>`.

    Digits that belong to a short name stay (`MediaUrl0`, `utf8`), and so do status codes.
    """
    return _without_details(text[:LONGEST])


@lru_cache(CAUSES)
def _without_details(text: str) -> str:
    line = " ".join(DETAIL.split(text, maxsplit=1)[0].split())[:LENGTH]
    parts: list[str] = []
    end = 0
    for code in PROTECTED.finditer(line):
        parts += [VARYING.sub(_placeholder, line[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, VARYING.sub(_placeholder, line[end:])])


def _placeholder(found: re.Match[str]) -> str:
    return found[0] if found.lastgroup == "kept" else f"<{found.lastgroup}>"
