"""What was sent against what is there: rows, replies and dead letters."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from tests.upgrade.messages import Kind, Message

SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    sid: str | None
    status: str
    reply_state: str | None
    completed_at: float | None


@dataclass(slots=True, kw_only=True)
class Figures:
    """Of the messages that were sent first in one phase. `left`: rows of dead runs, which no webhook brought."""

    phase: str
    sent: int = 0
    left: int = 0
    posts: int = 0
    accepted: int = 0
    refused: int = 0
    poison: int = 0
    completed: int = 0
    lost: int = 0
    doubled: int = 0
    replied_twice: int = 0
    not_replied: int = 0
    dead_letters: int = 0
    dead_letters_of_poison: int = 0
    longest_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    phases: Sequence[Figures]
    total: Figures
    faults: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is there at the end. Replies by receiver, dead letters by MessageSid; None where a dead letter names none."""

    rows: Sequence[Row]
    replies: Mapping[str, int]
    dead_letters: Mapping[str | None, int]


@dataclass(slots=True)
class _Faults:
    """Each kind of fault with the messages that have it."""

    found: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, fault: str, message: str) -> None:
        self.found[fault].append(message)

    def lines(self) -> list[str]:
        return [
            f"{len(messages)} {fault}: {', '.join(messages[:SHOWN])}{', ...' if len(messages) > SHOWN else ''}"
            for fault, messages in self.found.items()
        ]


def balance(messages: Iterable[Message], found: Found, *, replies_expected: bool = True) -> Books:
    """Settle every message. Without faults the books balance."""
    rows: defaultdict[str | None, list[Row]] = defaultdict(list)
    for row in found.rows:
        rows[row.sid].append(row)
    phases: dict[str, Figures] = {}
    faults, known = _Faults(), set[str | None]()
    for message in messages:
        known.add(message.sid)
        figures = phases.setdefault(message.phase, Figures(phase=message.phase))
        _settle(message, rows[message.sid], found, figures, faults, replies_expected=replies_expected)
    for sid in rows.keys() - known:
        faults.add("rows of messages that nobody sent", str(sid))
    for sid in found.dead_letters.keys() - known:
        faults.add("dead letters of messages that nobody sent", str(sid))
    return Books(phases=list(phases.values()), total=_total(phases.values()), faults=faults.lines())


def _settle(
    message: Message,
    rows: Sequence[Row],
    found: Found,
    figures: Figures,
    faults: _Faults,
    *,
    replies_expected: bool,
) -> None:
    name = f"{message.sid} ({message.phase})"
    _count_webhooks(message, figures, faults, name)
    dead_letters, replies = found.dead_letters.get(message.sid, 0), found.replies.get(message.sender, 0)
    if len(rows) > 1:
        figures.doubled += 1
        faults.add("messages in more than one row", name)
    if replies > 1:
        figures.replied_twice += 1
        faults.add("messages that were answered more than once", name)
    if message.kind is Kind.POISON:
        figures.poison += 1
        figures.dead_letters_of_poison += dead_letters
        if message.is_accepted and not dead_letters:
            figures.lost += 1
            faults.add("poisoned messages without a dead letter", name)
        return
    figures.dead_letters += dead_letters
    if dead_letters:
        faults.add("dead letters of sound messages", name)
    done = [row.completed_at for row in rows if row.status == "completed" and row.completed_at is not None]
    if done:
        figures.completed += 1
        _time(message, min(done), figures)
    elif message.is_accepted:
        figures.lost += 1
        faults.add("accepted messages without a completed row", name)
    if done and replies_expected and not replies:
        figures.not_replied += 1
        faults.add("completed messages without a reply", name)


def _count_webhooks(message: Message, figures: Figures, faults: _Faults, name: str) -> None:
    if message.kind is Kind.LEFT:
        figures.left += 1
        return
    figures.sent += 1
    figures.posts += len(message.answers)
    figures.accepted += message.is_accepted
    for answer in message.answers:
        if answer.is_refused:
            figures.refused += 1
            faults.add(f"webhooks answered {answer.status or 'not at all'}", name)
    if not message.is_accepted:
        faults.add("messages that the webhook never accepted", name)


def _time(message: Message, completed_at: float, figures: Figures) -> None:
    """A row that was left lying waits for the stale processor, which is asked when the run has the time."""
    if message.kind is not Kind.LEFT:
        figures.longest_seconds = max(figures.longest_seconds, completed_at - message.sent_at)


def _total(phases: Iterable[Figures]) -> Figures:
    total: Counter[str] = Counter()
    longest = 0.0
    for figures in phases:
        facts = asdict(figures)
        del facts["phase"]
        longest = max(longest, facts.pop("longest_seconds"))
        total.update(facts)
    return Figures(phase="all", longest_seconds=longest, **total)
