"""What the table says is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from b2bpilot.advice import our_command
from b2bpilot.ops.status.finding import Finding, Gravity, Kind, Seen
from b2bpilot.ops.status.reading import Reading
from b2bpilot.pipeline.models import SubmissionStatus
from b2bpilot.pipeline.summary import TableSummary
from b2bpilot.plural import many


def rows(summary: TableSummary, reading: Reading) -> Iterator[Finding]:
    yield from _abandoned(summary, reading)
    yield from _failed(summary, reading)
    for stored, count in summary.by_status.items():
        if not isinstance(stored, SubmissionStatus):
            yield Finding(
                kind=Kind.UNREADABLE,
                gravity=Gravity.WAITING,
                text=f"{many(count, 'message')} with the status {stored!r} of another version: nothing of this one takes "
                f"{'it' if count == 1 else 'them'} up",
                command=our_command("submissions", "stuck"),
                last=_last(summary, stored, reading),
            )
    if summary.stuck:
        stale = (
            f", {summary.stale:,} of all for so long that the stale processor takes them"
            if summary.stale
            else ""
        )
        yield Finding(
            kind=Kind.NO_LEASE,
            gravity=Gravity.WAITING,
            text=f"{many(summary.stuck, 'message')} on which no run holds a lease{stale}",
            command=our_command("submissions", "stuck"),
            last=_seen(summary.last_stuck, summary, reading),
        )
    if summary.replies_unknown:
        replies = many(summary.replies_unknown, "reply", "replies")
        yield Finding(
            kind=Kind.REPLIES_UNKNOWN,
            gravity=Gravity.NOTICE,
            text=f"{replies} of which nobody knows whether Twilio sent {'it' if summary.replies_unknown == 1 else 'them'}",
            command=our_command("submissions", "stuck"),
            last=_seen(summary.last_reply_unknown, summary, reading),
        )


def _abandoned(summary: TableSummary, reading: Reading) -> Iterator[Finding]:
    number = summary.by_status.get(SubmissionStatus.ABANDONED, 0) - summary.discarded
    if number > 0:
        them = "it" if number == 1 else "them"
        yield Finding(
            kind=Kind.ABANDONED,
            gravity=Gravity.WAITING,
            text=f"{many(number, 'message')} abandoned: nothing tries {them} again but a person, with a redrive or `submissions republish`",
            command=our_command("submissions", "list", "--status", SubmissionStatus.ABANDONED),
            last=_last(summary, SubmissionStatus.ABANDONED, reading),
        )


def _failed(summary: TableSummary, reading: Reading) -> Iterator[Finding]:
    number = summary.by_status.get(SubmissionStatus.FAILED, 0)
    if number:
        yield Finding(
            kind=Kind.FAILED,
            gravity=Gravity.WAITING,
            text=f"{many(number, 'message')} whose last run failed: {_whether_dead_letters(number, reading)}",
            command=our_command("submissions", "stuck"),
            last=_last(summary, SubmissionStatus.FAILED, reading),
        )


def _whether_dead_letters(number: int, reading: Reading) -> str:
    """Lambda runs no dead letter again. Whether it runs another one again, its row does not tell."""
    dead_lettered = reading.dead_lettered.value
    if dead_lettered is None:
        return f"whether dead letters of {'it' if number == 1 else 'them'} are in the queue is not known"
    rest = number - dead_lettered
    if rest <= 0:
        whose = "its dead letter is" if number == 1 else "their dead letters are"
        return f"{whose} in the queue, and Lambda does not run {'it' if number == 1 else 'them'} again"
    look = reading.dead_letters.value.look if reading.dead_letters.value else None
    seen = "is" if look and look.is_complete else "was seen"
    of = f"of {rest:,} of them" if dead_lettered else f"of {'it' if number == 1 else 'them'}"
    return f"no dead letter {of} {seen} in the queue; the next command says whether Lambda may run {'it' if rest == 1 else 'them'} again"


def _last(summary: TableSummary, status: SubmissionStatus | str, reading: Reading) -> Seen:
    return _seen(summary.last_by_status.get(status), summary, reading)


def _seen(moment: datetime | None, summary: TableSummary, reading: Reading) -> Seen:
    """The database dates its rows by its own clock: an age is one by that, and is told from the reading's time."""
    if moment is None or summary.now is None:
        return Seen.at(reading.at)
    return Seen.at(reading.at - (summary.now - moment))
