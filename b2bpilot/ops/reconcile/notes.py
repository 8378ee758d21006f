"""What a comparison must remember of a million messages: in a temporary file without a name, not in memory."""

from __future__ import annotations

import sqlite3
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from types import TracebackType
from typing import Any, Self

from b2bpilot.ops.reconcile.message_finding import ComparisonResult, MessageFinding
from b2bpilot.twilio.alerts import Alert
from b2bpilot.twilio.redaction import Content

CACHE_KIBIBYTES = 16_384
PAGE = 1_000
SCHEMA = f"""
    PRAGMA journal_mode = OFF;
    PRAGMA synchronous = OFF;
    PRAGMA cache_size = -{CACHE_KIBIBYTES};
    CREATE TABLE seen (message_id BLOB PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE finding (
        sid TEXT PRIMARY KEY, result TEXT NOT NULL, message_id TEXT, sent_at REAL NOT NULL, late_seconds REAL,
        why TEXT, alert_sid TEXT, alert_at REAL, error_code TEXT, to_number TEXT, content TEXT NOT NULL,
        is_dated INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX finding_by_result ON finding (result, sent_at, sid);
"""
COLUMNS = (
    "sid, result, message_id, sent_at, late_seconds, why, alert_sid, error_code, to_number, content, is_dated"
)


class Notes:
    """Gone when it is closed, also when the process is killed. For one thread."""

    def __init__(self) -> None:
        # An empty name: SQLite deletes the file as soon as it has opened it.
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(SCHEMA)
        self._stored = 0
        self.doubts: tuple[str, ...] = ()
        """Why what is missing may be in a queue of ours all the same."""
        self.other_dead_letters: dict[str, int] = {}
        """How many dead letters are not this environment's, by their owners: they stand for no message of ours."""
        self.dead_letters_there: Counter[str] = Counter()
        """How many messages are dead letters of a pair's other side, by its region."""
        self.alerts_failure: str | None = None
        """Why Twilio's alerts could not be read: then the reason of what is missing is not known."""
        self.listed = 0
        """How many messages that came in during the period Twilio's list showed, and how many without a date."""
        self.asked_by_sid = 0
        """How many rows that the list lacks were asked for by their SID."""
        self.listed_late_count = 0
        """How many of those Twilio has: its list lags."""
        self.listed_late_since: datetime | None = None
        """When the first of those was sent, where Twilio says it."""
        self.alerted: frozenset[str] = frozenset()
        """Of which messages that the list lacks Twilio has alerts."""
        self.alerts_not_followed = 0
        """Of how many more of them, whose webhook here failed, nothing was asked: they may be missing."""
        self.without_sid = 0
        """How many entries of Twilio's list have no SID: nothing can be asked about them."""
        self.has_text = False
        """Some message of the account shows its text at Twilio: texts are kept there, unless some are redacted."""
        self.has_redacted = False
        """Some message has a masked number, or no text and nothing else: Twilio's copies are redacted, at least now and then."""
        self.warnings: tuple[str, ...] = ()
        """What speaks against publishing what is missing, a sentence each."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def see(self, message_ids: Iterable[str]) -> list[str]:
        """Note messages that Twilio has; return those that were not noted before: pages may overlap."""
        return [
            each
            for each in message_ids
            if self._database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (_key(each),)).rowcount
        ]

    def has_seen(self, message_id: str) -> bool:
        query = "SELECT 1 FROM seen WHERE message_id = ?"
        return self._database.execute(query, (_key(message_id),)).fetchone() is not None

    def add(self, findings: Iterable[MessageFinding]) -> None:
        """Keep what there is to say; of a stored message there is nothing but the count."""
        rows = []
        for finding in findings:
            if finding.result is ComparisonResult.STORED:
                self._stored += 1
            else:
                rows.append(_row(finding))
        self._database.executemany(
            f"INSERT OR REPLACE INTO finding ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608  # ours
            rows,
        )

    def listed_late(self, sent_at: datetime | None) -> None:
        """Twilio has a message, sent then, that its list lacks."""
        self.listed_late_count += 1
        if sent_at is not None:
            self.listed_late_since = min(self.listed_late_since or sent_at, sent_at)

    def take_back(self, sids: Iterable[str]) -> None:
        """These were taken for missing and are stored."""
        for sid in sids:
            deleted = self._database.execute("DELETE FROM finding WHERE sid = ?", (sid,))
            self._stored += deleted.rowcount

    def turn(self, sids: Iterable[str], result: ComparisonResult, *, why: str | None = None) -> None:
        """Give these another result, and perhaps another reason."""
        self._database.executemany(
            "UPDATE finding SET result = ?, why = coalesce(?, why) WHERE sid = ?",
            ((result.value, why, sid) for sid in sids),
        )

    def numbers(self, result: ComparisonResult) -> list[str]:
        """Return the numbers that messages with this result were sent to."""
        query = "SELECT DISTINCT coalesce(to_number, '') FROM finding WHERE result = ?"
        return [row[0] for row in self._database.execute(query, (result.value,))]

    def explain(self, alert: Alert) -> None:
        """Note the alert of a missing message; the earliest one, which the primary URL caused, is the reason."""
        at = alert.generated_at.timestamp()
        self._database.execute(
            "UPDATE finding SET alert_sid = ?, alert_at = ?, error_code = ?"
            " WHERE sid = ? AND result = ? AND (alert_at IS NULL OR alert_at > ?)",
            (alert.sid, at, alert.error_code, alert.resource_sid, ComparisonResult.MISSING.value, at),
        )

    def counts(self) -> Counter[ComparisonResult]:
        counted = self._database.execute("SELECT result, count(*) FROM finding GROUP BY result")
        return Counter(
            {ComparisonResult.STORED: self._stored}
            | {ComparisonResult(name): count for name, count in counted}
        )

    def findings(self, *results: ComparisonResult) -> Iterator[MessageFinding]:
        """Yield what was found, by kind, oldest first. The notes may change meanwhile."""
        for result in results:
            last = (float("-inf"), "")
            while page := self._page(result, last):
                yield from page
                last = page[-1].sent_at.timestamp(), page[-1].sid

    def _page(self, result: ComparisonResult, last: tuple[float, str]) -> list[MessageFinding]:
        rows = self._database.execute(
            f"SELECT {COLUMNS} FROM finding WHERE result = ? AND (sent_at, sid) > (?, ?)"  # noqa: S608  # nosec B608  # ours
            " ORDER BY sent_at, sid LIMIT ?",
            (result.value, *last, PAGE),
        )
        return [_finding(row) for row in rows]


def chunks(notes: Notes, *results: ComparisonResult) -> Iterator[list[MessageFinding]]:
    """Yield what was found in chunks."""
    found = notes.findings(*results)
    while chunk := list(islice(found, PAGE)):
        yield chunk


def _key(message_id: str) -> bytes:
    return uuid.UUID(message_id).bytes


def _row(finding: MessageFinding) -> Sequence[Any]:
    return (
        finding.sid,
        finding.result.value,
        finding.message_id,
        finding.sent_at.timestamp(),
        finding.late_seconds,
        finding.why,
        finding.alert_sid,
        finding.error_code,
        finding.to,
        finding.content.value,
        finding.is_dated,
    )


def _finding(row: Sequence[Any]) -> MessageFinding:
    sid, result, message_id, sent_at, late_seconds, why, alert_sid, error_code, to, content, is_dated = row
    return MessageFinding(
        result=ComparisonResult(result),
        sid=sid,
        message_id=message_id,
        sent_at=datetime.fromtimestamp(sent_at, UTC),
        late_seconds=late_seconds,
        why=why,
        alert_sid=alert_sid,
        error_code=error_code,
        to=to,
        content=Content(content),
        is_dated=bool(is_dated),
    )
