"""The books: every message that was answered 200 against rows, dead letters and the replies that Twilio sent."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.faults.evidence import DeadLetters, Row, message_id_of
from tests.faults.traffic import Kind, Sent

LISTED = 20


@dataclass(slots=True, kw_only=True)
class Book:
    """One promise: what was looked at, and what broke it."""

    promise: str
    looked_at: str
    broken: list[str] = field(default_factory=list)

    @property
    def balances(self) -> bool:
        return not self.broken


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    sent: Sequence[Sent]
    rows: Sequence[Row]
    dead_letters: DeadLetters
    replies: Counter[str]
    archived: Mapping[str, set[str]] = field(default_factory=dict)
    """The messages in the archive of each run."""

    def rows_of(self) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = defaultdict(list)
        for row in self.rows:
            found[row.message_id].append(row)
        return found


def message_books(evidence: Evidence) -> list[Book]:
    return [
        nothing_lost(evidence),
        nothing_twice(evidence),
        no_second_reply(evidence),
        replies_told(evidence),
    ]


def nothing_lost(evidence: Evidence) -> Book:
    accepted = [sent for sent in evidence.sent if sent.is_accepted]
    by_id, dead = evidence.rows_of(), evidence.dead_letters.message_ids
    book = Book(
        promise="every 200 is one completed row, a dead letter that nobody could correct, or discarded by a command",
        looked_at=f"{len(accepted):,} messages answered 200",
    )
    for sent in accepted:
        message_id = message_id_of(sent.sid)
        rows = by_id.get(message_id, [])
        if any(row.is_completed or _is_discarded(row, evidence) for row in rows):
            continue
        if sent.kind is Kind.POISON and message_id in dead:
            continue
        told = f"row {rows[0].status}: {rows[0].last_error}" if rows else "no row"
        dead_letter = "a dead letter" if message_id in dead else "no dead letter"
        book.broken.append(f"{message_id} ({sent.kind}): {told}; {dead_letter}")
    return book


def _is_discarded(row: Row, evidence: Evidence) -> bool:
    """Marked with a run whose archive has it."""
    return row.discarded_by is not None and row.message_id in evidence.archived.get(row.discarded_by, set())


def nothing_twice(evidence: Evidence) -> Book:
    ids = Counter(row.message_id.lower() for row in evidence.rows)
    sids = Counter(row.sid for row in evidence.rows if row.sid)
    book = Book(promise="no message has two rows", looked_at=f"{len(evidence.rows):,} rows")
    book.broken += [f"{name}: {count} rows" for name, count in (ids | sids).items() if count > 1]
    return book


def no_second_reply(evidence: Evidence) -> Book:
    book = Book(
        promise="nobody is answered twice", looked_at=f"{evidence.replies.total():,} replies in Twilio's book"
    )
    book.broken += [f"{number}: {count} replies" for number, count in evidence.replies.items() if count > 1]
    return book


def replies_told(evidence: Evidence) -> Book:
    """A row without a word about a reply, or with `refused`, says that none was sent; `sent` says that one was."""
    by_id = evidence.rows_of()
    book = Book(promise="no row says what Twilio's book contradicts", looked_at="reply states of all rows")
    for sent in evidence.sent:
        for row in by_id.get(message_id_of(sent.sid), []):
            count = evidence.replies[sent.sender]
            if (row.reply_state == "sent" and count != 1) or (
                row.reply_state in (None, "refused") and count > 0
            ):
                book.broken.append(f"{row.message_id}: reply {row.reply_state}, {count} at Twilio")
    return book
