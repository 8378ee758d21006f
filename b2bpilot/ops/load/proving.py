"""The promises of the pipeline, each decided by what the rows, the queue and CloudWatch say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from b2bpilot.ops.load.plan import LoadMessage
from b2bpilot.ops.load.report import PromiseCheck, PromiseOutcome
from b2bpilot.ops.load.target import Concurrency
from b2bpilot.pipeline.rows_of_tests import RowOfTest
from b2bpilot.plural import many

EXAMPLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was sent, and what was found of it. `dead_letters` is None when nobody could ask the queue; then `why` says so."""

    messages: Mapping[int, LoadMessage]
    accepted: Mapping[int, int]
    """How often each message was accepted, by its number; one that never was is absent."""
    stopped: frozenset[int]
    """Messages of which nobody heard whether they were accepted, as the run ended first."""
    rows: Mapping[str, RowOfTest]
    dead_letters: frozenset[str] | None
    concurrency: Concurrency
    express: Concurrency | None = None
    """The express processor's, where there is an express lane."""
    why: str | None = None

    def healthy(self) -> list[LoadMessage]:
        return [one for one in self.messages.values() if not one.is_poison and one.number in self.accepted]

    def poison(self) -> list[LoadMessage]:
        return [one for one in self.messages.values() if one.is_poison and one.number in self.accepted]

    def is_stored(self, one: LoadMessage) -> bool:
        row = self.rows.get(one.message_id)
        return row is not None and row.is_completed


def checks(evidence: Evidence, *, now: datetime) -> list[PromiseCheck]:
    return [
        _stored_once(evidence),
        _none_lost(evidence, now=now),
        _all_accepted(evidence),
        _duplicates(evidence),
        _poison(evidence),
        _within_reserve(evidence.concurrency, "the processor"),
        *([_within_reserve(evidence.express, "the express processor")] if evidence.express else []),
    ]


def _stored_once(evidence: Evidence) -> PromiseCheck:
    healthy = evidence.healthy()
    stored = [one for one in healthy if evidence.is_stored(one)]
    twice = [one for one in healthy if (row := evidence.rows.get(one.message_id)) and row.rows > 1]
    detail = f"{len(stored):,} of {many(len(healthy), 'accepted message has', 'accepted messages have')} one completed row each"
    if twice:
        detail = f"{many(len(twice), 'message has', 'messages have')} more than one row: {_examples(twice)}"
    is_kept = healthy and len(stored) == len(healthy) and not twice
    return PromiseCheck(
        promise="each message is stored exactly once",
        verdict=PromiseOutcome.PROVED
        if is_kept
        else (PromiseOutcome.BROKEN if healthy else PromiseOutcome.NOTHING),
        detail=detail,
    )


def _none_lost(evidence: Evidence, *, now: datetime) -> PromiseCheck:
    missing = [one for one in evidence.healthy() if one.message_id not in evidence.rows]
    unfinished = [
        one
        for one in evidence.healthy()
        if (row := evidence.rows.get(one.message_id)) is not None and not row.is_completed
    ]
    if missing:
        what = many(len(missing), "accepted message has", "accepted messages have")
        text = f"{what} no row: {_examples(missing)}"
        return PromiseCheck(promise="none is lost", verdict=PromiseOutcome.BROKEN, detail=text)
    if unfinished:
        return PromiseCheck(
            promise="none is lost",
            verdict=PromiseOutcome.UNKNOWN,
            detail=f"{many(len(unfinished), 'row is', 'rows are')} not completed: {_unfinished(evidence, unfinished, now=now)}",
        )
    if not evidence.healthy():
        return PromiseCheck(
            promise="none is lost", verdict=PromiseOutcome.NOTHING, detail="no message was accepted"
        )
    return PromiseCheck(
        promise="none is lost",
        verdict=PromiseOutcome.PROVED,
        detail=f"{many(len(evidence.healthy()), 'accepted message has its row', 'accepted messages have their rows')}",
    )


def _unfinished(evidence: Evidence, unfinished: Sequence[LoadMessage], *, now: datetime) -> str:
    """A row that a dead run holds is taken up by the stale processor, long after its lease has ended."""
    rows = [evidence.rows[one.message_id] for one in unfinished]
    leases = [row.lease_expires_at for row in rows if row.lease_expires_at and row.lease_expires_at > now]
    if leases:
        held = many(len(leases), "is leased by a run", "are leased by runs")
        return (
            f"{held} that may have died, until {max(leases):%H:%M:%S} UTC; after that Lambda or the stale "
            f"processor takes over: {_examples(unfinished)}"
        )
    errors = sorted({row.last_error for row in rows if row.last_error})
    return "; ".join([*errors[:EXAMPLES], _examples(unfinished)])


def _all_accepted(evidence: Evidence) -> PromiseCheck:
    promise = "each message is accepted"
    detail = f"{len(evidence.accepted):,} of {many(len(evidence.messages), 'message was', 'messages were')} accepted"
    refused = [one for one in evidence.messages.values() if one.number not in evidence.accepted]
    given_up = [one for one in refused if one.number not in evidence.stopped]
    if given_up:
        text = f"{detail}; given up: {_examples(given_up)}"
        return PromiseCheck(promise=promise, verdict=PromiseOutcome.BROKEN, detail=text)
    if refused:
        stored = sum(evidence.is_stored(one) for one in refused)
        text = f"{detail}; the run ended before the answer of {len(refused):,}, of which {many(stored, 'is', 'are')} stored"
        return PromiseCheck(promise=promise, verdict=PromiseOutcome.UNKNOWN, detail=text)
    return PromiseCheck(promise=promise, verdict=PromiseOutcome.PROVED, detail=detail)


def _duplicates(evidence: Evidence) -> PromiseCheck:
    """A second delivery that had claimed the row would stand in its attempts."""
    promise = "duplicates are skipped"
    doubled = [
        one for one in evidence.healthy() if evidence.accepted[one.number] > 1 and evidence.is_stored(one)
    ]
    if not doubled:
        return PromiseCheck(
            promise=promise, verdict=PromiseOutcome.NOTHING, detail="no stored message was sent twice"
        )
    once = [one for one in doubled if evidence.rows[one.message_id].attempts == 1]
    twice = [one for one in doubled if evidence.rows[one.message_id].rows > 1]
    if twice:
        text = f"{len(twice):,} of {many(len(doubled), 'has', 'have')} a second row: {_examples(twice)}"
        return PromiseCheck(promise=promise, verdict=PromiseOutcome.BROKEN, detail=text)
    detail = f"{many(len(doubled), 'message was', 'messages were')} accepted more than once, one row each"
    if len(once) < len(doubled):
        detail += f"; {len(doubled) - len(once):,} of them took more than one attempt, as one that failed or died does"
    return PromiseCheck(promise=promise, verdict=PromiseOutcome.PROVED, detail=detail)


def _poison(evidence: Evidence) -> PromiseCheck:
    promise = "poison becomes dead letters"
    poison = evidence.poison()
    if not poison:
        return PromiseCheck(promise=promise, verdict=PromiseOutcome.NOTHING, detail="no poison was sent")
    if evidence.dead_letters is None:
        return PromiseCheck(
            promise=promise, verdict=PromiseOutcome.UNKNOWN, detail=evidence.why or "the queue was not asked"
        )
    there = [one for one in poison if one.message_id in evidence.dead_letters]
    stored = [one for one in poison if evidence.is_stored(one)]
    detail = f"{len(there):,} of {many(len(poison), 'is', 'are')} in the dead-letter queue"
    if stored:
        detail += f"; {many(len(stored), 'was', 'were')} stored: {_examples(stored)}"
    is_kept = len(there) == len(poison) and not stored
    return PromiseCheck(
        promise=promise, verdict=PromiseOutcome.PROVED if is_kept else PromiseOutcome.BROKEN, detail=detail
    )


def _within_reserve(seen: Concurrency, who: str) -> PromiseCheck:
    promise = f"{who} stays within its reserve"
    if seen.most is None:
        return PromiseCheck(
            promise=promise, verdict=PromiseOutcome.UNKNOWN, detail=seen.why or "CloudWatch has no figure"
        )
    if seen.reserve is None:
        detail = f"at most {many(seen.most, 'run')} at once; the function has no reserve"
        return PromiseCheck(promise=promise, verdict=PromiseOutcome.NOTHING, detail=detail)
    return PromiseCheck(
        promise=promise,
        verdict=PromiseOutcome.PROVED if seen.most <= seen.reserve else PromiseOutcome.BROKEN,
        detail=f"at most {many(seen.most, 'run')} at once, by CloudWatch; the reserve is {seen.reserve}",
    )


def _examples(messages: Sequence[LoadMessage]) -> str:
    shown = ", ".join(one.message_id for one in messages[:EXAMPLES])
    return f"{shown}, ..." if len(messages) > EXAMPLES else shown
