"""The journal of a reconciliation: its plan written before anything is published, and read back to go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from b2bpilot.advice import our_command
from b2bpilot.errors import NOTHING_PUBLISHED, PartlyFailed, Refused, UsageError
from b2bpilot.ops.reconcile.message_finding import ComparisonResult, MessageFinding
from b2bpilot.ops.reconcile.notes import Notes, chunks
from b2bpilot.ops.reconcile.rebuild import RebuiltFrom
from b2bpilot.ops.reconcile.recovered import Contents, Recovered
from b2bpilot.ops.reconcile.recovery import Recovery
from b2bpilot.ops.runs.journal import Journal
from b2bpilot.ops.runs.record import RunRecord, entries
from b2bpilot.ops.table.row_proof import RowOutcome
from b2bpilot.pipeline.message import format_time, message_id_for, parse_time

COMMAND = "reconcile"
PLAN_COMPLETE = "plan_complete"
STORED = RowOutcome.COMPLETED.value
DEFAULT_WAIT = timedelta(seconds=60)


def published_results(*, allow_partial: bool) -> tuple[ComparisonResult, ...]:
    """Return what is published: what is missing, and what is left of redacted messages only when that was asked for."""
    return (
        (ComparisonResult.MISSING, ComparisonResult.LOST_AT_TWILIO)
        if allow_partial
        else (ComparisonResult.MISSING,)
    )


def write_plan(journal: Journal, notes: Notes, *, allow_partial: bool = False) -> None:
    """Write down what is going to be published: identities and alerts, nothing about people."""
    for chunk in chunks(notes, *published_results(allow_partial=allow_partial)):
        journal.write(*(_planned(finding) for finding in chunk), durable=False)
    journal.write({"event": PLAN_COMPLETE})


def require_no_doubt(doubts: Sequence[str]) -> None:
    """Raises Refused when what is missing may be in a queue of ours: what Twilio still has of it is less, and once that
    is stored, what is in the queue is skipped."""
    if doubts:
        raise Refused(
            f"what is missing may be in a queue of ours: {'; '.join(doubts)}",
            outcome=NOTHING_PUBLISHED,
            hint="redrive and wait first ("
            + our_command("dlq", "list")
            + ", "
            + our_command("status")
            + "); or publish it anyway: --even-if-queued",
        )


def require_plan(record: RunRecord) -> int:
    """Return how many messages of the plan are not proven to be stored. Raises UsageError for a run that never began."""
    if not any(entry.get("event") == PLAN_COMPLETE for entry in entries(record.path)):
        raise UsageError(
            f"run {record.run_id} ended before its plan was complete; nothing was published",
            hint="reconcile again with the options that it had: "
            + our_command("runs", "show", record.run_id)
            + " has its period",
        )
    return sum(state.fate != STORED for state in record.messages.values())


def resume(recovery: Recovery, record: RunRecord, recovered: Recovered | None = None) -> Recovered:
    """Publish what the run did not, and prove what it published. What it did before (see `recovered_before`) is counted, too.

    The queues are not asked again: they did not hold these messages when they were planned, or did not matter, and what
    came into them since was published by this run.
    """
    recovered = recovered or recovered_before(record)
    accepted = [sid for sid, state in record.messages.items() if state.was_accepted and state.fate != STORED]
    recovery.prove(accepted, recovered)
    return recovery.run(_left(record), recovered)


def finish(journal: Journal, recovered: Recovered) -> None:
    """A run that stopped early has no end: it can be resumed."""
    if not recovered.is_stopped:
        journal.finish(recovered.counts())


def require_everything_stored(recovered: Recovered, run_id: str) -> None:
    """Raises PartlyFailed."""
    if recovered.is_stopped:
        raise PartlyFailed(
            "none of the messages published last was stored, so the rest was not published",
            hint="fix the processor, then: " + our_command("runs", "resume", run_id),
        )
    if recovered.problems:
        count = len(recovered.problems)
        raise PartlyFailed(
            f"{count:,} of the missing messages {'is' if count == 1 else 'are'} not proven to be stored",
            hint="see " + our_command("dlq", "list") + ", then reconcile again: what is stored is left alone",
        )


def recovered_before(record: RunRecord) -> Recovered:
    """Count what the journal says of the run so far; what was not proven is looked at again."""
    recovered, sent = Recovered(), dict[str, Contents]()
    for entry in entries(record.path):
        sid = str(entry.get("queue_message_id", ""))
        match entry.get("event"):
            case "sending":
                sent[sid] = _contents(entry)
                recovered.begin(sid, sent[sid])
            case "accepted" if sid in recovered.unknown:
                recovered.accepted(sid)
            case "failed" if sid in recovered.unknown:
                recovered.not_taken(sid)
            case "unknown":
                recovered.unknown_before.add(sid)
    recovered.refused = 0
    for sid, state in record.messages.items():
        if state.fate == STORED:
            by = Recovered.stored if sid in sent else Recovered.stored_by_others
            by(recovered, sid)
            recovered.stored_meanwhile += sid not in sent
    return recovered


def _contents(entry: Mapping[str, Any]) -> Contents:
    return Contents(
        origin=RebuiltFrom(entry["rebuilt_from"]), lost=entry["lost"], is_partial=bool(entry.get("partial"))
    )


def _left(record: RunRecord) -> Iterator[MessageFinding]:
    """What was planned and not accepted, as it was planned."""
    for entry in entries(record.path):
        sid = str(entry.get("queue_message_id", ""))
        if entry.get("event") != "planned" or sid not in record.messages:
            continue
        state = record.messages[sid]
        if not state.was_accepted and state.fate != STORED:
            yield MessageFinding(
                result=ComparisonResult(entry.get("verdict", ComparisonResult.MISSING)),
                sid=sid,
                message_id=message_id_for(sid),
                sent_at=parse_time(entry["sent_at"]),
                alert_sid=entry.get("alert_sid"),
                error_code=entry.get("error_code"),
            )


def _planned(finding: MessageFinding) -> dict[str, object]:
    return {
        "event": "planned",
        "queue_message_id": finding.sid,
        "message_id": finding.message_id,
        "decision": "send",
        "verdict": finding.result.value,
        "sent_at": format_time(finding.sent_at),
        "alert_sid": finding.alert_sid,
        "error_code": finding.error_code,
    }
