"""What a run prints at its end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from tests.upgrade.books import Figures
from tests.upgrade.run import Summary

HEADS = (
    "phase",
    "sent",
    "webhooks",
    "accepted",
    "completed",
    "lost",
    "doubled",
    "replied twice",
    "dead letters",
    "longest",
)


def as_text(summary: Summary) -> str:
    """One line a phase, then what does not balance."""
    rows = _rows(summary)
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADS))]
    table = [
        "  ".join(
            cell.rjust(width) if n else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join([_title(summary), "", *table, "", *_notes(summary), "", *_verdict(summary)])


def as_markdown(summary: Summary) -> str:
    """The section of docs/proof.md."""
    options = summary.options
    arguments = f"{summary.way}--seconds {options.seconds:g} --rate {options.rate:g} --seed {options.seed}"
    head, *rows = (f"| {' | '.join(row)} |" for row in _rows(summary))
    table = [head, f"|{'---|' * len(HEADS)}", *rows]
    lines = [
        f'`make upgrade ARGS="{arguments}"`, {datetime.now(UTC):%Y-%m-%d}. {_title(summary)}.',
        "",
        *table,
        "",
    ]
    return "\n".join([*lines, *(f"- {note}" for note in _notes(summary)), "", *_verdict(summary)])


def as_json(summary: Summary) -> str:
    document = asdict(summary) | {"runs": _runs(summary), "faults": summary.faults}
    return json.dumps(document, indent=2)


def _title(summary: Summary) -> str:
    if summary.title:
        return summary.title
    migrations = ", ".join(summary.migrations) or "no migration"
    new = "this version" if summary.new == "this" else summary.new
    return f"From {summary.old} to {new}, back, and again, with {migrations}"


def _rows(summary: Summary) -> list[Sequence[str]]:
    return [HEADS, *map(_cells, [*summary.books.phases, summary.books.total])]


def _cells(figures: Figures) -> Sequence[str]:
    numbers = (
        figures.sent,
        figures.posts,
        figures.accepted,
        figures.completed,
        figures.lost,
        figures.doubled,
        figures.replied_twice,
        figures.dead_letters,
    )
    return (figures.phase, *(f"{number:,}" for number in numbers), f"{figures.longest_seconds:.1f} s")


def _notes(summary: Summary) -> list[str]:
    total = summary.books.total
    left = f"{total.left} rows were left by runs that died, two in each phase in which nothing changed: they count as completed, too"
    return [
        f"{total.poison} of the messages were poisoned: {total.dead_letters_of_poison} dead letters, which are not counted above",
        *([left] if total.left else []),
        f"Runs: {', '.join(f'{name} {count:,}' for name, count in _runs(summary).items())}",
    ]


def _runs(summary: Summary) -> dict[str, int]:
    return {f"{version} {function}": count for (version, function), count in sorted(summary.runs.items())}


def _verdict(summary: Summary) -> list[str]:
    if not summary.faults:
        return ["The books balance."]
    return ["The books do not balance:", *(f"- {fault}" for fault in summary.faults)]
