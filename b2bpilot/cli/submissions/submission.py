"""A row of the table as it is shown: numbers masked and bodies cut unless revealed."""

from __future__ import annotations

import json
from datetime import datetime

from b2bpilot.advice import Words
from b2bpilot.cli.output import of_state
from b2bpilot.cli.text.durations import relative
from b2bpilot.cli.text.privacy import cut, mask_number, mask_numbers, shown_params
from b2bpilot.pipeline.message import format_time
from b2bpilot.pipeline.models import UserSubmission

NONE = "-"


def fields(row: UserSubmission, *, reveal: bool) -> dict[str, object]:
    """Return a row for programs; without the parameters, which may be long."""
    return {
        "id": row.id,
        "message_id": row.message_id,
        "message_sid": row.message_sid,
        "from": _number(row.sender, reveal=reveal),
        "to": _number(row.receiver, reveal=reveal),
        "body": _text(row, reveal=reveal),
        "num_media": row.num_media,
        "status": str(row.status),
        "source": row.source,
        "message_type": row.message_type,
        "priority": row.priority,
        "test": row.test,
        "attempts": row.attempts,
        "stale_attempts": row.stale_attempts,
        "lease_expires_at": _time(row.lease_expires_at),
        "last_error": _error(row, reveal=reveal),
        "reply_state": str(row.reply_state) if row.reply_state else None,
        "reply_sid": row.reply_sid,
        "received_at": _time(row.received_at),
        "created_at": _time(row.created_at),
        "updated_at": _time(row.updated_at),
        "completed_at": _time(row.completed_at),
        "discarded_by": row.discarded_by,
        "republished_at": _time(row.republished_at),
    }


def params(row: UserSubmission, *, reveal: bool) -> dict[str, str] | None:
    if not isinstance(row.params, dict):
        return None
    texts = {
        name: value if isinstance(value, str) else json.dumps(value) for name, value in row.params.items()
    }
    return texts if reveal else shown_params(texts)


def columns(row: UserSubmission, *, reveal: bool, now: datetime) -> dict[str, Words]:
    """Return a row for the table, by heading."""
    return {
        "received": relative(row.received_at or row.created_at, now=now),
        "message id": row.message_id or NONE,
        "status": of_state(str(row.status)),
        "from": _number(row.sender, reveal=reveal) or NONE,
        "text or error": _error(row, reveal=reveal) or _text(row, reveal=reveal) or NONE,
    }


def story(row: UserSubmission, *, reveal: bool, now: datetime) -> list[tuple[str, Words]]:
    """Return a row as named lines, without what it does not have."""
    lines = [
        ("message id", row.message_id),
        ("MessageSid", row.message_sid),
        ("status", _status(row, now=now)),
        ("last error", _error(row, reveal=reveal)),
        ("from", _number(row.sender, reveal=reveal)),
        ("to", _number(row.receiver, reveal=reveal)),
        ("body", _text(row, reveal=reveal)),
        ("media", str(row.num_media) if row.num_media else None),
        ("kind", _kind(row)),
        ("reply", _reply(row)),
        ("received", _moment(row.received_at, now=now)),
        ("row created", _moment(row.created_at, now=now)),
        ("completed", _completed(row, now=now)),
    ]
    return [(name, value) for name, value in lines if value is not None]


def _error(row: UserSubmission, *, reveal: bool) -> str | None:
    return row.last_error if reveal or row.last_error is None else mask_numbers(row.last_error)


def _text(row: UserSubmission, *, reveal: bool) -> str | None:
    return row.text if reveal or row.text is None else cut(row.text)


def _status(row: UserSubmission, *, now: datetime) -> Words:
    parts = ["", f"attempts: {row.attempts}"]
    if row.stale_attempts:
        parts.append(f"tries of the stale processor to publish it: {row.stale_attempts}")
    if row.republished_at:
        parts.append(f"published again {relative(row.republished_at, now=now)}")
    if row.discarded_by:
        parts.append(f"discarded in run {row.discarded_by}")
    if row.is_leased(now=now) and row.lease_expires_at:
        parts.append(f"lease ends {relative(row.lease_expires_at, now=now)}")
    return of_state(str(row.status)) + ", ".join(parts)


def _kind(row: UserSubmission) -> str | None:
    parts = [row.message_type, f"from {row.source}" if row.source else None]
    if row.priority not in (None, "normal"):
        parts.append(f"priority {row.priority}")
    return ", ".join(part for part in parts if part) or None


def _reply(row: UserSubmission) -> str | None:
    if row.reply_state is None:
        return None
    return f"{row.reply_state} {row.reply_sid}" if row.reply_sid else str(row.reply_state)


def _completed(row: UserSubmission, *, now: datetime) -> str | None:
    text = _moment(row.completed_at, now=now)
    if text is None or row.received_at is None or row.completed_at is None:
        return text
    milliseconds = (row.completed_at - row.received_at).total_seconds() * 1000
    return f"{text}, {milliseconds:.0f} ms after it was received"


def _number(number: str | None, *, reveal: bool) -> str | None:
    return number if reveal or not number else mask_number(number)


def _time(moment: datetime | None) -> str | None:
    return format_time(moment) if moment else None


def _moment(moment: datetime | None, *, now: datetime) -> str | None:
    return f"{format_time(moment)} ({relative(moment, now=now)})" if moment else None
