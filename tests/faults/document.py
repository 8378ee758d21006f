"""A section of a markdown document that a run writes anew: what stands between its two markers."""

from __future__ import annotations

import re
from pathlib import Path


def write(document: Path, section: str, text: str) -> None:
    """Replace the section's text. Raises ValueError when the document has no such markers."""
    begin, end = f"<!-- {section}: begin -->", f"<!-- {section}: end -->"
    found = document.read_text()
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(found):
        raise ValueError(f"{document} has no section {begin}")
    document.write_text(pattern.sub(lambda _: f"{begin}\n{text.strip()}\n{end}", found, count=1))
