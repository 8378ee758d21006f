"""Times as people write them: `90s`, `30m`, `2h`, `1d`, or ISO 8601."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from b2bpilot.errors import UsageError

UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|[smhdw])")
HINT = "write a duration as 30s, 15m, 2h, 1d or 1h30m"


def parse_duration(text: str, option: str, *, may_be_zero: bool = False) -> timedelta:
    """Return the duration; it is more than zero unless it may be. Raises UsageError that names the option."""
    parts = PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise UsageError(f"{option}: {text!r} is not a duration", hint=HINT)
    try:
        duration = sum((timedelta(**{UNITS[unit]: float(number)}) for number, unit in parts), timedelta())
    except OverflowError as exc:
        raise UsageError(f"{option}: {text!r} is too long", hint=HINT) from exc
    if not duration and not may_be_zero:
        raise UsageError(f"{option}: {text!r} must be longer than zero", hint=HINT)
    return duration


def parse_since(text: str, option: str, *, now: datetime) -> datetime:
    """Return the moment that lies `text` before now, or that ISO 8601 names (UTC unless it says otherwise)."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _before(now, text, option)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_period(
    since: str | None, until: str | None, *, now: datetime
) -> tuple[datetime | None, datetime | None]:
    """Return begin and end of `--since` and `--until`. Raises UsageError where the end is not after the begin."""
    begin = parse_since(since, "--since", now=now) if since is not None else None
    end = parse_since(until, "--until", now=now) if until is not None else None
    if begin and end and end <= begin:
        raise UsageError(
            f"--until: {until!r} is not after --since", hint=f"since is {since}: nothing lies between"
        )
    return begin, end


def _before(now: datetime, text: str, option: str) -> datetime:
    try:
        return now - parse_duration(text, option)
    except OverflowError as exc:
        raise UsageError(f"{option}: {text!r} is before the first year", hint=HINT) from exc
    except UsageError as exc:
        raise UsageError(
            f"{option}: {text!r} is neither a duration nor a time",
            hint="write 30m, 2h, 1d, or 2026-10-01T12:45Z",
        ) from exc


def relative(moment: datetime, *, now: datetime) -> str:
    """Return how long ago a moment was, in its largest unit: `3 m ago`."""
    seconds = (now - moment).total_seconds()
    text = in_largest_unit(abs(seconds))
    return f"{text} ago" if seconds >= 0 else f"in {text}"


def ahead_in_words(ahead: timedelta) -> str:
    """Return `4 m ahead of` or `4 m behind`."""
    direction = "ahead of" if ahead > timedelta() else "behind"
    return f"{in_largest_unit(round(abs(ahead).total_seconds()))} {direction}"


def in_largest_unit(seconds: float) -> str:
    """Return `3 m`: whole ones of the largest unit of which there is one."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"
