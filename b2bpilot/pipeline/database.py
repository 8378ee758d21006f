"""The table of submissions. Each method runs one statement of queries.py, or one transaction where it says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, LiteralString, Self

from psycopg.rows import dict_row, kwargs_row, scalar_row

from b2bpilot.pipeline import queries
from b2bpilot.pipeline.claim import ERROR_LENGTH, Claim, SubmissionFields, claim_values, fence, storable
from b2bpilot.pipeline.connection import Connection
from b2bpilot.pipeline.message import PilotMessage, canonical, spellings
from b2bpilot.pipeline.models import (
    Progress,
    ReplyState,
    SubmissionStatus,
    UserSubmission,
    known_reply_state,
    known_status,
)
from b2bpilot.pipeline.row_security import Need
from b2bpilot.pipeline.rows import fetch_submissions, number_pattern, progress
from b2bpilot.pipeline.stale_row import StaleRow
from b2bpilot.pipeline.statement import Statement


class DatabaseManager:
    """The table, for one container or one command. Not for use by two threads at once.

    Every method raises DatabaseUnreachable, SchemaOutdated or DatabaseError. With `read_write` only a server that takes
    writes will do; without, a standby may be asked. Of `needs` and `renewed` see Connection.
    """

    def __init__(
        self,
        dsn: str,
        *,
        application_name: str = "b2bpilot",
        read_write: bool = False,
        needs: Need = Need.ALL_ROWS,
        renewed: Callable[[], str] | None = None,
    ) -> None:
        self.connection = Connection(
            dsn, application_name=application_name, read_write=read_write, needs=needs, renewed=renewed
        )

    @property
    def identity(self) -> str | None:
        """Which database was connected to last: its oid and its server's start (see queries.IDENTITY)."""
        return self.connection.identity

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.connection.close()

    def claim(
        self, message: PilotMessage, *, lease: timedelta, adopts: bool = False, answers: bool = True
    ) -> Claim | None:
        """Record the message and take the lease; None when it is completed or discarded, when a lease on it holds, and
        when the row is a test's and the message is none, or the reverse. With `adopts`, a row that the SQS version made of
        the message is the message's; whether that answered it is unknown where it did not finish, which matters where
        this one `answers`.

        PostgreSQL decides the race: a second INSERT waits for the first and then sees its lease.
        """
        values = claim_values(message, lease, adopts=adopts, answers=answers)
        with self.connection.use() as connection, connection.cursor(row_factory=dict_row) as cursor:
            row = queries.CLAIM.run(cursor, values).fetchone()
            if row is None and cursor.execute(queries.RESPELL, values).rowcount:
                row = queries.CLAIM.run(cursor, values).fetchone()
            if row is None and values["old_sid"] and cursor.execute(queries.ADOPT, values).rowcount:
                row = queries.CLAIM.run(cursor, values).fetchone()
        if row is None:
            return None
        state = known_reply_state(row["reply_state"])
        return Claim(message_id=values["message_id"], attempts=row["attempts"], reply_state=state)

    def complete(self, claim: Claim, fields: SubmissionFields) -> float | None:
        """Store what the message says and end it, in one statement.

        Returns the milliseconds since the message was received; None when the claim was lost to another run.
        """
        values = {**fence(claim), **asdict(fields)}
        with self.connection.use() as connection, connection.cursor(row_factory=scalar_row) as cursor:
            latency: float | None = cursor.execute(queries.COMPLETE, values).fetchone()
        return latency

    def fail(self, claim: Claim, error: str) -> None:
        """Record why the run failed and release the lease, so that the next attempt need not wait for its end."""
        self._execute(
            queries.FAIL,
            {**fence(claim), "error": storable(error[:ERROR_LENGTH])},
        )

    def begin_reply(self, claim: Claim) -> bool:
        """Write `sending` before the call; False when a reply was begun already or the claim was lost."""
        return self._execute(queries.BEGIN_REPLY, fence(claim)) == 1

    def end_reply(
        self, claim: Claim, state: ReplyState | None, *, sid: str | None = None, error: str | None = None
    ) -> None:
        """Write what became of the reply; None means that it was certainly not sent and may be tried again."""
        self._execute(
            queries.END_REPLY,
            {
                **fence(claim),
                "state": state.value if state else None,
                "sid": sid,
                "error": storable(error),
            },
        )

    def get_submission_by_message_id(self, message_id: str) -> UserSubmission | None:
        """Return the row of a message, however the id or the row spells it."""
        found, *_ = known = spellings(message_id)
        return next(iter(self._submissions(queries.GET, {"message_id": found, "spellings": known})), None)

    def create_submission(
        self, message_id: str, fields: SubmissionFields, *, message_sid: str | None = None
    ) -> UserSubmission:
        """Insert a pending row unless the message has one; return the row either way."""
        values = {
            "message_id": canonical(message_id),
            "message_sid": message_sid,
            **asdict(fields),
        }
        if self.get_submission_by_message_id(message_id) is None:
            self._execute(queries.CREATE, values)
        submission = self.get_submission_by_message_id(message_id)
        if submission is None:
            raise LookupError(f"row of message {message_id} was deleted while it was created")
        return submission

    def get_submission_by_message_sid(self, message_sid: str) -> UserSubmission | None:
        """Return the row of a Twilio message, one from before it had a message_id, too. Reads the whole table."""
        return next(iter(self._submissions(queries.GET_BY_SID, {"message_sid": message_sid})), None)

    def list_submissions(
        self,
        *,
        status: SubmissionStatus | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        from_number: str | None = None,
        test: bool | None = None,
        limit: int = 20,
        before_id: int | None = None,
    ) -> list[UserSubmission]:
        """Return rows newest first; the last one's id as `before_id` gives the next page.

        `from_number` also finds the number behind a channel, such as `whatsapp:`, when it names none.
        """
        values = {
            "status": status.value if status else None,
            "since": since,
            "until": until,
            "from_pattern": number_pattern(from_number) if from_number else None,
            "test": test,
            "before_id": before_id,
            "limit": limit,
        }
        return self._submissions(queries.LIST, values)

    def list_stuck(
        self, *, since: datetime | None = None, limit: int = 20, before_id: int | None = None
    ) -> list[UserSubmission]:
        """Return rows that a person may have to look at, newest first and in pages as `list_submissions` does."""
        return self._submissions(queries.LIST_STUCK, {"since": since, "before_id": before_id, "limit": limit})

    def progress_of(self, message_ids: Sequence[str]) -> dict[str, Progress]:
        """Return how far messages are, by the message_id that was asked for; one without a row is absent. Meant for a
        thousand at a time."""
        asked = {spelling: message_id for message_id in message_ids for spelling in spellings(message_id)}
        values = {"spellings": list(asked)}
        with (
            self.connection.use() as connection,
            connection.cursor(row_factory=kwargs_row(progress)) as cursor,
        ):
            rows = queries.PROGRESS.run(cursor, values).fetchall()
        in_order = sorted(rows, key=lambda row: row.message_id == canonical(row.message_id))
        return {id_: replace(row, message_id=id_) for row in in_order if (id_ := asked[row.message_id])}

    def now(self) -> datetime:
        """Return the database's clock, to compare with what it writes."""
        with self.connection.use() as connection, connection.cursor(row_factory=scalar_row) as cursor:
            moment: datetime | None = cursor.execute(queries.NOW).fetchone()
        if moment is None:
            raise LookupError("PostgreSQL gave no time")
        return moment

    def count_by_status(self) -> dict[SubmissionStatus | str, int]:
        """Return how many rows each status has; a status without rows is absent."""
        with self.connection.use() as connection:
            rows = connection.execute(queries.COUNT_BY_STATUS).fetchall()
        return {known_status(status): count for status, count in rows}

    @contextmanager
    def lock_stale(
        self, *, stale_after: timedelta, batch: int, held_for: timedelta = timedelta(0)
    ) -> Iterator[tuple[StaleRow, ...]]:
        """Lock rows that nobody works on any more, oldest first, for the block; other runs skip them. `held_for` leaves
        those alone that may be in Lambda's hands for so long.

        What the block writes to the rows is committed when it ends, and lost when it raises.
        """
        values = {"stale_after": stale_after, "held_for": held_for, "batch": batch}
        with self.connection.use() as connection, connection.transaction():
            rows = fetch_submissions(connection, queries.LOCK_STALE, values)
            yield tuple(StaleRow(connection, row) for row in rows)

    def count_stale(self, *, stale_after: timedelta) -> int:
        """Return how many rows nobody works on any more, those that wait for their back-off included."""
        with self.connection.use() as connection, connection.cursor(row_factory=scalar_row) as cursor:
            count: int | None = cursor.execute(queries.COUNT_STALE, {"stale_after": stale_after}).fetchone()
        return count or 0

    def note_republished(self, message_id: str, *, rest: timedelta) -> None:
        """Write down that SNS accepted the message again, and leave it alone for a while."""
        self._run(queries.NOTE_REPUBLISHED, {"spellings": spellings(message_id), "rest": rest})

    def take_for_republication(
        self, message_ids: Sequence[str], *, discarded: bool, rest: timedelta
    ) -> set[str]:
        """Keep the stale processor off rows that a person publishes again, and return which of them it can be: neither
        completed nor leased. With `discarded` the mark of a discarded message is taken back."""
        asked = {spelling: message_id for message_id in message_ids for spelling in spellings(message_id)}
        values = {"spellings": list(asked), "discarded": discarded, "rest": rest}
        with self.connection.use() as connection, connection.cursor(row_factory=scalar_row) as cursor:
            return {asked[found] for found in queries.TAKE_FOR_REPUBLICATION.run(cursor, values)}

    def hand_back_stale_attempts(self, message_ids: Sequence[str]) -> int:
        """Uncount attempts that were not made, and return how many: the rows are due again at once."""
        known = [spelling for message_id in message_ids for spelling in spellings(message_id)]
        return self._run(queries.HAND_BACK_STALE_ATTEMPTS, {"spellings": known})

    def abandon(self, message_id: str, error: str) -> None:
        """Give a row up that no run works on: from now on only a person brings it back."""
        values = {"spellings": spellings(message_id), "error": storable(error[:ERROR_LENGTH])}
        self._execute(queries.ABANDON_STALE, values)

    def _run(self, statement: Statement, values: Mapping[str, Any]) -> int:
        with self.connection.use() as connection, connection.cursor() as cursor:
            return statement.run(cursor, values).rowcount

    def _execute(self, query: LiteralString, values: Mapping[str, Any]) -> int:
        with self.connection.use() as connection:
            return connection.execute(query, values).rowcount

    def _submissions(self, statement: Statement, values: Mapping[str, Any]) -> list[UserSubmission]:
        with self.connection.use() as connection:
            return fetch_submissions(connection, statement, values)
