"""The journal of a reconciliation: its plan written before anything is published, and read back to go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from b2bpilot.errors import PartlyFailed, Refused, UsageError
from b2bpilot.ops.reconcile.notes import Notes, chunks
from b2bpilot.ops.reconcile.rebuild import Origin
from b2bpilot.ops.reconcile.recovery import Journal, Recovered, Recovery
from b2bpilot.ops.reconcile.verdict import Finding, Verdict
from b2bpilot.ops.runs.journal import Journal as RunJournal
from b2bpilot.ops.runs.record import RunRecord, entries
from b2bpilot.ops.table.row_proof import RowOutcome
from b2bpilot.pipeline.message import format_time, message_id_for, parse_time

COMMAND = "reconcile"
PLAN_COMPLETE = "plan_complete"
STORED = RowOutcome.COMPLETED.value
DEFAULT_WAIT = timedelta(seconds=60)


def published_verdicts(*, allow_partial: bool) -> tuple[Verdict, ...]:
    """Return what is published: what is missing, and what is left of redacted messages only when that was asked for."""
    return (Verdict.MISSING, Verdict.LOST_AT_TWILIO) if allow_partial else (Verdict.MISSING,)


def write_plan(journal: Journal, notes: Notes, *, allow_partial: bool = False) -> None:
    """Write down what is going to be published: identities and alerts, nothing about people."""
    for chunk in chunks(notes, *published_verdicts(allow_partial=allow_partial)):
        journal.write(*(_planned(finding) for finding in chunk), durable=False)
    journal.write({"event": PLAN_COMPLETE})


def require_no_doubt(doubts: Sequence[str]) -> None:
    """Raises Refused when what is missing may be in a queue of ours: what Twilio still has of it is less, and once that
    is stored, what is in the queue is skipped."""
    if doubts:
        raise Refused(
            f"what is missing may be in a queue of ours: {'; '.join(doubts)}. Nothing was published",
            hint="redrive and wait first (b2bpilot dlq list, b2bpilot status); or publish it all the same: --even-if-queued",
        )


def require_plan(record: RunRecord) -> int:
    """Return how many messages of the plan are not proven to be stored. Raises UsageError for a run that never began."""
    if not any(entry.get("event") == PLAN_COMPLETE for entry in entries(record.path)):
        raise UsageError(
            f"run {record.run_id} ended before its plan was complete; nothing was published",
            hint="run `b2bpilot twilio reconcile --publish-missing` again",
        )
    return sum(state.fate != STORED for state in record.messages.values())


def resume(recovery: Recovery, record: RunRecord) -> Recovered:
    """Publish what the run did not, and prove what it published. What it did before is counted, too.

    The queues are not asked again: they did not hold these messages when they were planned, or did not matter, and what
    came into them since was published by this run.
    """
    recovered = _recovered_before(record)
    accepted = [sid for sid, state in record.messages.items() if state.was_accepted and state.fate != STORED]
    recovery.prove(accepted, recovered)
    return recovery.run(_left(record), recovered)


def finish(journal: RunJournal, recovered: Recovered) -> None:
    """A run that stopped early has no end: it can be resumed."""
    if not recovered.is_stopped:
        journal.finish(recovered.counts())


def require_everything_stored(recovered: Recovered, run_id: str) -> None:
    """Raises PartlyFailed."""
    if recovered.is_stopped:
        raise PartlyFailed(
            "nothing of what was published last was stored, so the rest was not published",
            hint=f"mend the processor, then: b2bpilot runs resume {run_id}",
        )
    if recovered.problems:
        count = len(recovered.problems)
        raise PartlyFailed(
            f"{count:,} of the missing messages {'is' if count == 1 else 'are'} not proven to be stored",
            hint="see `b2bpilot dlq list`, then reconcile again: what is stored is left alone",
        )


def _recovered_before(record: RunRecord) -> Recovered:
    """Count what the journal says of the run so far; what was not proven is looked at again."""
    recovered = Recovered()
    sent: dict[str, tuple[Origin, list[str], bool]] = {}
    for entry in entries(record.path):
        sid = str(entry.get("queue_message_id", ""))
        if entry.get("event") == "sending":
            sent[sid] = Origin(entry["rebuilt_from"]), entry["lost"], bool(entry.get("partial"))
        if entry.get("event") == "accepted":
            origin, lost, is_partial = sent[sid]
            recovered.count(origin, lost, is_partial=is_partial)
    stored = [sid for sid, state in record.messages.items() if state.fate == STORED]
    recovered.proven = len(stored)
    recovered.stored_meanwhile = sum(sid not in sent for sid in stored)
    return recovered


def _left(record: RunRecord) -> Iterator[Finding]:
    """What was planned and not accepted, as it was planned."""
    for entry in entries(record.path):
        sid = str(entry.get("queue_message_id", ""))
        if entry.get("event") != "planned" or sid not in record.messages:
            continue
        state = record.messages[sid]
        if not state.was_accepted and state.fate != STORED:
            yield Finding(
                verdict=Verdict(entry.get("verdict", Verdict.MISSING)),
                sid=sid,
                message_id=message_id_for(sid),
                sent_at=parse_time(entry["sent_at"]),
                alert_sid=entry.get("alert_sid"),
                error_code=entry.get("error_code"),
            )


def _planned(finding: Finding) -> dict[str, object]:
    return {
        "event": "planned",
        "queue_message_id": finding.sid,
        "message_id": finding.message_id,
        "decision": "send",
        "verdict": finding.verdict.value,
        "sent_at": format_time(finding.sent_at),
        "alert_sid": finding.alert_sid,
        "error_code": finding.error_code,
    }
