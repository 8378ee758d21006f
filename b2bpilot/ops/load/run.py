"""A load from its first request to the proof; also of one that was interrupted, from what its journal says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from b2bpilot.advice import our_command
from b2bpilot.errors import AwsError, PartlyFailed, PilotError, Refused
from b2bpilot.ops.load import figures
from b2bpilot.ops.load.clients import STOPPED, LoadAttempt, LoadRequests
from b2bpilot.ops.load.loaded import Loaded
from b2bpilot.ops.load.proving import Evidence, checks
from b2bpilot.ops.load.report import Cleaning, PromiseOutcome, Report, Urgency
from b2bpilot.ops.load.target import LoadTarget
from b2bpilot.ops.load.urgent import passes
from b2bpilot.ops.runs.record import RunRecord, entries
from b2bpilot.ops.table.asked import WholeTable
from b2bpilot.ops.table.clocks import compare
from b2bpilot.ops.table.database_proof import require_proven
from b2bpilot.ops.table.row_proof import ProofWatcher, RowProof
from b2bpilot.ops.table.row_state import Asked
from b2bpilot.pipeline.message import Priority, parse_time
from b2bpilot.pipeline.rows_of_tests import RowOfTest, read_test_rows

COMMAND = "load"
CHUNK = 1_000


class LoadFailed(PilotError):
    """A promise of the pipeline was not kept, or no message was stored at all."""

    code = "load_failed"


def wait_for_rows(
    table: WholeTable, loaded: Loaded, *, timeout: timedelta, observe: Callable[[int, int], None]
) -> None:
    """Return when every accepted message is decided, or the time is over. Raises DatabaseUnreachable at its end."""
    asked = (Asked(message_id, test=True) for message_id in loaded.accepted_ids())
    RowProof(table).prove(asked, timeout=timeout, watched=ProofWatcher(observe=observe))


def read_rows(table: WholeTable, message_ids: Sequence[str]) -> dict[str, RowOfTest]:
    """Raises Refused for a table that is not proven to be the processor's, and DatabaseError."""
    require_proven(table.proof, "nothing is proved")
    found: dict[str, RowOfTest] = {}
    for start in range(0, len(message_ids), CHUNK):
        found |= read_test_rows(table.database, message_ids[start : start + CHUNK])
    return found


def judge(loaded: Loaded, table: WholeTable, target: LoadTarget, *, clock: Callable[[], datetime]) -> Report:
    """Read everything that decides, and decide. Raises DatabaseError, Refused; what AWS does not tell is unknown."""
    requests, stack = loaded.requests, target.environment.stack
    offset = compare(table.now, clock=clock)
    rows = read_rows(table, loaded.message_ids())
    found = _evidence(loaded, rows, target)
    stored = figures.stored_at(requests, rows.values(), offset)
    urgency = _urgency(loaded, rows, stored, stack.express_reserved_concurrency)
    return Report(
        run_id=loaded.run_id,
        environment=target.environment.name,
        account_id=stack.account_id,
        region=stack.region,
        plan=loaded.plan,
        started_at=requests.started_at,
        seconds=requests.seconds,
        messages=len(found.messages),
        requests=len(requests.attempts),
        accepted=sum(found.accepted.values()),
        stored=sum(row.is_completed for row in rows.values()),
        accept=figures.accept_latency(requests),
        store=figures.store_latency(loaded, stored),
        clock_error_ms=offset.error / timedelta(milliseconds=1),
        troubles=figures.troubles(requests),
        timeline=figures.timeline(requests, stored),
        checks=[*checks(found, now=table.now()), *([passes(urgency)] if urgency else [])],
        story=figures.story(requests, list(rows.values()), stored),
        cleaning=Cleaning(),
        urgency=urgency,
    )


def _urgency(
    loaded: Loaded, rows: Mapping[str, RowOfTest], stored: Mapping[str, float], lane: str
) -> Urgency | None:
    if not loaded.plan.high:
        return None
    accepted = loaded.times_accepted()
    high = [one for number, one in loaded.messages().items() if one.is_high and number in accepted]
    marked = [one for one in high if (row := rows.get(one.message_id)) and row.priority == Priority.HIGH]
    latency = {
        priority: figures.store_latency(loaded, stored, is_high=priority is Priority.HIGH)
        for priority in (Priority.HIGH, Priority.NORMAL)
    }
    return Urgency(latency=latency, sent=len(high), marked=len(marked), lane=lane)


def _evidence(loaded: Loaded, rows: Mapping[str, RowOfTest], target: LoadTarget) -> Evidence:
    accepted = loaded.times_accepted()
    poison = loaded.poison_ids() & frozenset(loaded.accepted_ids())
    began = loaded.requests.started_at
    first, *express = [target.concurrency(name, since=began) for name in target.environment.stack.processors]
    dead_letters: frozenset[str] | None = None
    why = None
    try:
        dead_letters = frozenset(target.dead_letters(poison, patiently=True).values())
    except AwsError as exc:
        why = str(exc)
    return Evidence(
        messages=loaded.messages(),
        accepted=accepted,
        stopped=loaded.stopped(),
        rows=rows,
        dead_letters=dead_letters,
        concurrency=first,
        express=express[0] if express else None,
        why=why,
    )


def requests_before(record: RunRecord) -> LoadRequests:
    """Return what an interrupted load had done, by its journal. A request without an answer counts as unanswered.

    Raises Refused when it had sent nothing.
    """
    lines = [entry for entry in entries(record.path) if "number" in entry]
    if not lines:
        raise Refused(
            f"run {record.run_id} had sent nothing when it ended", hint="run the load again", outcome=""
        )
    answered = [entry for entry in lines if entry["event"] != "sending"]
    open_ = _unanswered(lines)
    began = min(_began(entry) for entry in answered) if answered else record.started_at
    attempts = [_attempt(entry) for entry in answered]
    attempts += [
        LoadAttempt(
            number=number,
            copy=copy,
            at=(at - began).total_seconds(),
            seconds=0.0,
            error=STOPPED,
            is_stopped=True,
        )
        for (number, copy), at in open_.items()
    ]
    seconds = max(attempt.ended_at for attempt in attempts)
    return LoadRequests(started_at=began, seconds=seconds, attempts=attempts)


def require_proved(report: Report) -> None:
    """Raises LoadFailed or PartlyFailed unless every promise was kept; what is unknown alone is no failure,
    but a row that is not completed is."""
    broken = [check for check in report.checks if check.verdict is PromiseOutcome.BROKEN]
    if not broken:
        return
    text = "; ".join(f"{check.promise}: {check.detail}" for check in broken)
    hint = (
        "look at one with "
        + our_command("inspect", "MESSAGE_ID")
        + ", or look again: "
        + our_command("runs", "resume", report.run_id)
    )
    raise (PartlyFailed if report.stored else LoadFailed)(f"not proved: {text}", hint=hint)


def _unanswered(lines: Sequence[Mapping[str, Any]]) -> dict[tuple[int, int], datetime]:
    open_: dict[tuple[int, int], datetime] = {}
    for entry in lines:
        place = (int(entry["number"]), int(entry["copy"]))
        if entry["event"] == "sending":
            open_[place] = parse_time(entry["at"])
        else:
            open_.pop(place, None)
    return open_


def _began(entry: Mapping[str, Any]) -> datetime:
    """When the load began, by one of its lines: each has its own time, and the seconds since the start."""
    return parse_time(entry["at"]) - timedelta(seconds=entry["since_start"] + entry["seconds"])


def _attempt(entry: Mapping[str, Any]) -> LoadAttempt:
    return LoadAttempt(
        number=entry["number"],
        copy=entry["copy"],
        at=entry["since_start"],
        seconds=entry["seconds"],
        error=entry["error"],
    )
