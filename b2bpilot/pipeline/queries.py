"""The pipeline's SQL statements, as the methods of DatabaseManager run them.

Time is the database's own (`now()`), so that leases mean the same to every container. Columns are listed, never `*`:
a warm connection outlives an ALTER TABLE.
"""

from __future__ import annotations

from typing import Final, LiteralString

from b2bpilot.pipeline.statement import Statement, reading

COLUMNS: Final[LiteralString] = """
    id, message_id, message_sid, from_number, to_number, body, num_media, status, source, message_type, priority,
    test, params, attempts, lease_expires_at, last_error, reply_state, reply_sid, stale_attempts, received_at,
    created_at, updated_at, completed_at
"""

_CLAIM: Final[LiteralString] = """
    INSERT INTO b2b_pilot_user_submissions AS submission
        (message_id, message_sid, source, message_type, priority, test, params, received_at,
         status, attempts, lease_expires_at)
    SELECT %(message_id)s::text, %(message_sid)s, %(source)s, %(message_type)s, %(priority)s, %(test)s::boolean,
        %(params)s::json, %(received_at)s::timestamptz, 'processing', 1, now() + %(lease)s
    WHERE NOT EXISTS (SELECT FROM b2b_pilot_user_submissions WHERE message_id = ANY(%(other_spellings)s))
        AND NOT EXISTS (
            SELECT FROM b2b_pilot_user_submissions
            WHERE message_sid = %(old_sid)s::text AND message_id IS NULL AND NOT test
        )
        OR EXISTS (SELECT FROM b2b_pilot_user_submissions WHERE message_id = %(message_id)s::text)
    ON CONFLICT (message_id) DO UPDATE SET
        status = 'processing',
        attempts = submission.attempts + 1,
        lease_expires_at = excluded.lease_expires_at,
        params = excluded.params,
        source = coalesce(submission.source, excluded.source),
        message_type = excluded.message_type,
        priority = CASE WHEN submission.priority = 'high' THEN 'high' ELSE excluded.priority END,
        received_at = coalesce(submission.received_at, excluded.received_at),
        updated_at = now()
    WHERE submission.status <> 'completed'
        AND submission.test = excluded.test
        AND (submission.lease_expires_at IS NULL OR submission.lease_expires_at < now())
"""
_CLAIMED: Final[LiteralString] = " RETURNING attempts, reply_state"

ARBITER: Final = "idx_user_submissions_message_id"
"""The unique index that decides its ON CONFLICT."""

CLAIM: Final = Statement(
    query=_CLAIM + " AND submission.discarded_by IS NULL" + _CLAIMED, before=_CLAIM + _CLAIMED
)
"""Whoever may send a test may choose its id: with a real message's it must not take that one's row, nor the reverse.
What a person discarded is not stored by a delivery that comes later. Nor does a message get a second row beside one whose
message_id is spelled otherwise, or that has none: RESPELL and ADOPT come first. Of several at once one wins (docs/aws-facts.md#one-claim-wins)."""

RESPELL: Final[LiteralString] = """
    UPDATE b2b_pilot_user_submissions SET message_id = %(message_id)s::text
    WHERE id = (SELECT id FROM b2b_pilot_user_submissions WHERE message_id = ANY(%(other_spellings)s) LIMIT 1)
        AND NOT EXISTS (SELECT FROM b2b_pilot_user_submissions WHERE message_id = %(message_id)s::text)
"""

_UNCLEAR: Final[LiteralString] = """
    reply_state = CASE WHEN status <> 'completed' AND message_id IS NULL AND %(answers)s THEN 'unknown'
        ELSE reply_state END,
    reply_error = CASE WHEN status <> 'completed' AND message_id IS NULL AND %(answers)s
        THEN 'begun by the SQS version, which may have answered it' ELSE reply_error END
"""
"""Nobody knows how far that came, and Twilio takes the same reply twice (docs/aws-facts.md#sending-twice)."""

_ADOPT: Final[LiteralString] = "UPDATE b2b_pilot_user_submissions SET message_id = %(message_id)s::text,"
_OLD_ROW: Final[LiteralString] = """
    WHERE message_id IS NULL
        AND id = (
            SELECT id FROM b2b_pilot_user_submissions
            WHERE message_sid = %(old_sid)s::text AND message_id IS NULL AND NOT test
            ORDER BY status <> 'completed', id
            LIMIT 1
        )
        AND NOT EXISTS (SELECT FROM b2b_pilot_user_submissions WHERE message_id = %(message_id)s::text)
"""
ADOPT: Final[LiteralString] = _ADOPT + _UNCLEAR + _OLD_ROW
"""The row that the SQS version made of the message. Where that made two, the finished one counts."""

COMPLETE: Final[LiteralString] = """
    UPDATE b2b_pilot_user_submissions
    SET status = 'completed', from_number = %(from_number)s, to_number = %(to_number)s, body = %(body)s,
        num_media = %(num_media)s, lease_expires_at = NULL, last_error = NULL, completed_at = now(),
        updated_at = now()
    WHERE message_id = %(message_id)s AND attempts = %(attempts)s AND status = 'processing'
    RETURNING greatest(0, extract(epoch FROM completed_at - received_at) * 1000)::float
"""

FAIL: Final[LiteralString] = """
    UPDATE b2b_pilot_user_submissions
    SET status = 'failed', last_error = %(error)s, lease_expires_at = NULL, updated_at = now()
    WHERE message_id = %(message_id)s AND attempts = %(attempts)s AND status = 'processing'
"""

BEGIN_REPLY: Final[LiteralString] = """
    UPDATE b2b_pilot_user_submissions
    SET reply_state = 'sending', updated_at = now()
    WHERE message_id = %(message_id)s AND attempts = %(attempts)s AND status = 'processing'
        AND reply_state IS NULL
    RETURNING id
"""

END_REPLY: Final[LiteralString] = """
    UPDATE b2b_pilot_user_submissions
    SET reply_state = %(state)s, reply_sid = %(sid)s, reply_error = %(error)s, updated_at = now()
    WHERE message_id = %(message_id)s
        AND (reply_state = 'sending' OR (reply_state = 'unknown' AND %(state)s IN ('sent', 'refused')))
        AND (%(state)s::text IS NOT NULL OR attempts = %(attempts)s)
"""
"""A run that outlived its lease still knows what Twilio answered. Only `not sent` is not its to say any more: it would let
nobody send the reply, where the next run has found it begun."""

CREATE: Final[LiteralString] = """
    INSERT INTO b2b_pilot_user_submissions
        (message_id, message_sid, from_number, to_number, body, num_media, status)
    VALUES
        (%(message_id)s, %(message_sid)s, %(from_number)s, %(to_number)s, %(body)s, %(num_media)s, 'pending')
    ON CONFLICT (message_id) DO NOTHING
    RETURNING id
"""


GET: Final = reading(
    COLUMNS,
    """
    FROM b2b_pilot_user_submissions
    WHERE message_id = ANY(%(spellings)s)
    ORDER BY message_id <> %(message_id)s
    LIMIT 1
    """,
)

LIST: Final = reading(
    COLUMNS,
    """
    FROM b2b_pilot_user_submissions
    WHERE (%(status)s::text IS NULL OR status = %(status)s)
        AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
        AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)
        AND (%(test)s::boolean IS NULL OR test = %(test)s)
        AND (%(from_pattern)s::text IS NULL
            OR from_number ~ ('^' || %(from_pattern)s || '$')
            OR (from_number IS NULL AND params::text ~ ('"From"[[:space:]]*:[[:space:]]*"' || %(from_pattern)s || '"')))
        AND (%(before_id)s::bigint IS NULL OR id < %(before_id)s)
    ORDER BY id DESC
    LIMIT %(limit)s
    """,
)
"""The sender is a column once the message is completed. Before, it stands in `params` only, which is searched as text:
to take a field out of json fails on what a message may hold (\\u0000)."""

_STUCK: Final[LiteralString] = """
    FROM b2b_pilot_user_submissions
    WHERE (status NOT IN ('pending', 'processing', 'completed')
            OR (status IN ('pending', 'processing') AND (lease_expires_at IS NULL OR lease_expires_at < now()))
            OR reply_state = 'unknown'
            OR (reply_state = 'sending' AND (lease_expires_at IS NULL OR lease_expires_at < now())))
        AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
        AND (%(before_id)s::bigint IS NULL OR id < %(before_id)s)
"""
_NEWEST: Final[LiteralString] = " ORDER BY id DESC LIMIT %(limit)s"

LIST_STUCK: Final = Statement(
    query=reading(COLUMNS, _STUCK + " AND discarded_by IS NULL" + _NEWEST).query,
    before=reading(COLUMNS, _STUCK + _NEWEST).before,
)
"""A message that a person discarded needs nobody any more."""

GET_BY_SID: Final = reading(
    COLUMNS,
    """
    FROM b2b_pilot_user_submissions
    WHERE message_sid = %(message_sid)s
    ORDER BY message_id IS NULL, id DESC
    LIMIT 1
    """,
)

PROGRESS: Final = reading(
    " message_id, status, test, attempts, lease_expires_at, last_error, completed_at, updated_at",
    " FROM b2b_pilot_user_submissions WHERE message_id = ANY(%(spellings)s)",
)

NOW: Final[LiteralString] = "SELECT now()"

IDENTITY: Final[LiteralString] = """
    SELECT oid::bigint || '/' || (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint
    FROM pg_catalog.pg_database
    WHERE datname = current_database()
"""
"""Which database this is, whatever it is called and however it was reached. A copy that was made in the same server has
another oid, one that was restored into another server another start. The system identifier would be the same in both."""

COUNT_BY_STATUS: Final[LiteralString] = """
    SELECT status, count(*) FROM b2b_pilot_user_submissions GROUP BY status
"""

_STALE: Final[LiteralString] = """
    FROM b2b_pilot_user_submissions
    WHERE status IN ('pending', 'processing', 'failed')
        AND updated_at < now() - %(stale_after)s
        AND (lease_expires_at IS NULL OR lease_expires_at < now() - %(stale_after)s)
        AND (next_stale_at IS NULL OR next_stale_at <= now())
"""
_TAKEN: Final[LiteralString] = " ORDER BY stale_attempts, updated_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED"
"""Two runs get different rows (docs/aws-facts.md#skipped-locks)."""

LOCK_STALE: Final = Statement(
    query="SELECT"
    + COLUMNS
    + ", discarded_by, republished_at"
    + _STALE
    + """
        AND (message_id IS NULL OR republished_at IS NOT NULL OR updated_at < now() - %(held_for)s)
    """
    + _TAKEN,
    before="SELECT"
    + COLUMNS
    + ", NULL::text AS discarded_by, CASE WHEN stale_attempts > 0 THEN updated_at END AS republished_at"
    + _STALE
    + """
        AND (message_id IS NULL OR stale_attempts > 0 OR updated_at < now() - %(held_for)s)
    """
    + _TAKEN,
)
"""The rows that SNS refused most often come last: they hold up no other. A row without a message_id was never in SNS, and one
that SNS has accepted again is not published any more, so that neither has to be out of Lambda's hands for sure.

Without its own column `stale_attempts` tells what SNS accepted; the statements below keep it so."""

COUNT_STALE: Final[LiteralString] = """
    SELECT count(*) FROM b2b_pilot_user_submissions
    WHERE status IN ('pending', 'processing', 'failed')
        AND updated_at < now() - %(stale_after)s
        AND (lease_expires_at IS NULL OR lease_expires_at < now() - %(stale_after)s)
"""

COUNT_STALE_ATTEMPT: Final = Statement(
    query="""
    UPDATE b2b_pilot_user_submissions
    SET stale_attempts = stale_attempts + 1, next_stale_at = now() + %(back_off)s, republished_at = NULL
    WHERE id = %(id)s
    """,
    before="""
    UPDATE b2b_pilot_user_submissions SET next_stale_at = now() + %(back_off)s WHERE id = %(id)s
    """,
)

NOTE_REPUBLISHED: Final = Statement(
    query="""
    UPDATE b2b_pilot_user_submissions SET republished_at = now(), next_stale_at = now() + %(rest)s
    WHERE message_id = ANY(%(spellings)s)
    """,
    before="""
    UPDATE b2b_pilot_user_submissions
    SET stale_attempts = stale_attempts + 1, next_stale_at = now() + %(rest)s
    WHERE message_id = ANY(%(spellings)s)
    """,
)

HAND_BACK_STALE_ATTEMPTS: Final = Statement(
    query="""
    UPDATE b2b_pilot_user_submissions SET stale_attempts = stale_attempts - 1, next_stale_at = now()
    WHERE message_id = ANY(%(spellings)s) AND stale_attempts > 0 AND republished_at IS NULL
    """,
    before="""
    UPDATE b2b_pilot_user_submissions SET next_stale_at = now() WHERE message_id = ANY(%(spellings)s)
    """,
)

_TAKE: Final[LiteralString] = """
    UPDATE b2b_pilot_user_submissions SET next_stale_at = now() + %(rest)s
"""
_WAITING: Final[LiteralString] = """
    WHERE message_id = ANY(%(spellings)s) AND status <> 'completed'
        AND (lease_expires_at IS NULL OR lease_expires_at < now())
"""
_NAMED: Final[LiteralString] = " RETURNING message_id"

TAKE_FOR_REPUBLICATION: Final = Statement(
    query=_TAKE
    + ", discarded_by = NULL"
    + _WAITING
    + " AND (discarded_by IS NULL OR %(discarded)s)"
    + _NAMED,
    before=_TAKE + _WAITING + _NAMED,
)
"""A mark that stays would keep the delivery from being stored."""

_NO_FINISHED_TWIN: Final[LiteralString] = """
    WHERE id = %(id)s AND (message_id IS NOT NULL OR NOT EXISTS (
        SELECT FROM b2b_pilot_user_submissions AS twin
        WHERE twin.message_sid = b2b_pilot_user_submissions.message_sid AND twin.message_id IS NULL AND NOT twin.test
            AND twin.status = 'completed'
    ))
"""
IDENTIFY: Final[LiteralString] = _ADOPT + _UNCLEAR + _NO_FINISHED_TWIN
"""Nothing where the SQS version made two rows of the message and finished the other one."""

ABANDON: Final[LiteralString] = """
    UPDATE b2b_pilot_user_submissions
    SET status = 'abandoned', last_error = %(error)s, lease_expires_at = NULL, updated_at = now()
    WHERE id = %(id)s
"""

ABANDON_STALE: Final[LiteralString] = """
    UPDATE b2b_pilot_user_submissions
    SET status = 'abandoned', last_error = %(error)s, lease_expires_at = NULL, updated_at = now()
    WHERE message_id = ANY(%(spellings)s) AND status IN ('pending', 'processing', 'failed')
        AND (lease_expires_at IS NULL OR lease_expires_at < now())
"""
