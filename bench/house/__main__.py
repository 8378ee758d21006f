"""`python -m bench.house [REVISION...]`: the shape of the code in git revisions, side by side; `.` is the working tree."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from bench.house.report import report
from bench.house.sources import UnknownRevision, texts


def main(revisions: Sequence[str]) -> None:
    """Print a column for each revision."""
    columns = {
        "working tree" if revision == "." else revision: report(texts(None if revision == "." else revision))
        for revision in revisions
    }
    rows = [
        ["", *columns],
        *([head, *(c[head] for c in columns.values())] for head in next(iter(columns.values()))),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for heading, *figures in rows:
        cells = [heading.ljust(widths[0]), *(f.rjust(w) for f, w in zip(figures, widths[1:], strict=True))]
        print("  ".join(cells).rstrip())


if __name__ == "__main__":
    try:
        main(sys.argv[1:] or ["."])
    except UnknownRevision as exc:
        sys.exit(str(exc))
