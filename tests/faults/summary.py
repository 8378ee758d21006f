"""The end of a run, for people: at a terminal and in docs/proof.md."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.faults.books import LISTED, Book
from tests.faults.commands import KILLED, Ran
from tests.faults.options import Options
from tests.faults.settling import Settled
from tests.faults.traffic import Sent

WIDTH = 78


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    options: Options
    sent: Sequence[Sent]
    episodes: Mapping[str, int]
    injected: Mapping[str, Mapping[str, int]]
    commands: Sequence[Ran]
    settled: Settled
    slowest_seconds: float | None
    """From a 200 to the row, of those that no command touched."""
    books: Sequence[Book]
    not_made: Sequence[str] = ()
    """Episodes that could not be made."""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def balances(self) -> bool:
        return all(book.balances for book in self.books)

    @property
    def exit_code(self) -> int:
        return 0 if self.balances else 1


def as_text(summary: Summary) -> str:
    facts = [_traffic(summary), _faults(summary), _commands(summary), str(summary.settled), _slowest(summary)]
    lines = [f"seed {summary.options.seed}", *(part for fact in facts for part in _wrapped("  ", fact)), ""]
    for book in summary.books:
        mark = "ok  " if book.balances else "BAD "
        lines += _wrapped(mark, f"{book.promise} ({book.looked_at})")
        lines += [part for text in book.broken[:LISTED] for part in _wrapped("    - ", text)]
        if len(book.broken) > LISTED:
            lines.append(f"    - and {len(book.broken) - LISTED} more")
    lines += [part for text in summary.not_made[:LISTED] for part in _wrapped("not made: ", text)]
    return "\n".join(lines)


def _wrapped(begin: str, text: str) -> list[str]:
    """Lines for a terminal of 80 columns; ids stay whole."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=begin,
        subsequent_indent=" " * len(begin),
        break_long_words=False,
        break_on_hyphens=False,
    )


def as_markdown(summary: Summary) -> str:
    """The section of docs/proof.md."""
    options = summary.options
    arguments = f"--minutes {options.minutes:g} --seed {options.seed} --rate {options.rate:g}"
    parts = [
        f'`make faults ARGS="{arguments}"`, {summary.at:%Y-%m-%d}:',
        "",
        f"- {_traffic(summary)}",
        f"- {_faults(summary)}",
        f"- {_commands(summary)}",
        f"- {summary.settled}",
        f"- {_slowest(summary)}",
    ]
    return "\n".join([*parts, "", *_books(summary.books), "", *_table(summary.episodes), ""])


def _books(books: Sequence[Book]) -> list[str]:
    rows = [
        f"| {book.promise} | {book.looked_at} | {'holds' if book.balances else f'{len(book.broken)} broken'} |"
        for book in books
    ]
    return ["| promise | looked at | result |", "|---|---|---|", *rows]


def _table(episodes: Mapping[str, int]) -> list[str]:
    rows = [f"| {name} | {count} |" for name, count in sorted(episodes.items())]
    return ["| episode | how often |", "|---|---|", *rows]


def _traffic(summary: Summary) -> str:
    accepted = sum(sent.is_accepted for sent in summary.sent)
    posts = sum(len(sent.answers) for sent in summary.sent)
    return (
        f"{len(summary.sent):,} messages in {summary.options.minutes:g} min, {posts:,} webhooks, "
        f"{accepted:,} messages answered 200"
    )


def _faults(summary: Summary) -> str:
    calls = sum(sum(counts.values()) for counts in summary.injected.values())
    return f"{sum(summary.episodes.values())} episodes of faults, {calls:,} single faults in the proxies"


def _commands(summary: Summary) -> str:
    killed = sum(ran.how == KILLED for ran in summary.commands)
    names = Counter(ran.name for ran in summary.commands)
    most = ", ".join(f"{count} {name}" for name, count in names.most_common(5))
    return f"{len(summary.commands)} commands, {killed} of them killed ({most}, ...)"


def _slowest(summary: Summary) -> str:
    if summary.slowest_seconds is None:
        return "no message was stored without help"
    return f"{summary.slowest_seconds:.0f} s from 200 to row at most, where no command helped"
