"""From requests and rows to figures: latencies, troubles, a timeline, and what stands out in it."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from b2bpilot.ops.load.clients import LoadAttempt, LoadRequests
from b2bpilot.ops.load.loaded import Loaded
from b2bpilot.ops.load.report import LoadLatency, Second, Trouble
from b2bpilot.ops.table.clocks import Offset
from b2bpilot.pipeline.rows_of_tests import RowOfTest
from b2bpilot.plural import many

STANDSTILL_SECONDS = 2.0
"""Shorter pauses happen on any machine."""
OUTAGE_GAP_SECONDS = 3.0
"""Errors that are closer to each other belong to one outage."""


def accept_latency(requests: LoadRequests) -> LoadLatency:
    return LoadLatency(values=sorted(one.seconds * 1000 for one in requests.attempts if one.error is None))


def stored_at(requests: LoadRequests, rows: Iterable[RowOfTest], offset: Offset) -> dict[str, float]:
    """Return when each row was completed, by our clock, in seconds since the start."""
    return {
        row.message_id: (offset.ours(row.completed_at) - requests.started_at).total_seconds()
        for row in rows
        if row.is_completed and row.completed_at is not None
    }


def store_latency(loaded: Loaded, stored: Mapping[str, float], *, is_high: bool | None = None) -> LoadLatency:
    """A row may be completed before the answer of the request that brought it has arrived: that counts as 0."""
    messages = loaded.messages()
    values = [
        max(0.0, stored[message_id] - at) * 1000
        for number, at in loaded.accepted_at().items()
        if (message_id := messages[number].message_id) in stored
        and is_high in (None, messages[number].is_high)
    ]
    return LoadLatency(values=sorted(values))


def troubles(requests: LoadRequests) -> list[Trouble]:
    by_kind: defaultdict[str, list[float]] = defaultdict(list)
    for attempt in requests.attempts:
        if attempt.error is not None:
            by_kind[attempt.error].append(attempt.ended_at)
    return [
        Trouble(kind=kind, count=len(at), first_at=requests.moment(min(at)), last_at=requests.moment(max(at)))
        for kind, at in sorted(by_kind.items(), key=lambda found: -len(found[1]))
    ]


def timeline(requests: LoadRequests, stored: Mapping[str, float]) -> list[Second]:
    """Return what happened in each second, without a gap."""
    accepted = Counter(int(one.ended_at) for one in requests.attempts if one.error is None)
    errors = Counter(int(one.ended_at) for one in requests.attempts if one.error is not None)
    rows = Counter(max(0, int(at)) for at in stored.values())
    last = max([*accepted, *errors, *rows], default=-1)
    return [
        Second(at=at, accepted=accepted[at], stored=rows[at], errors=errors[at]) for at in range(last + 1)
    ]


def story(requests: LoadRequests, rows: Sequence[RowOfTest], stored: Mapping[str, float]) -> list[str]:
    """Return what stands out, in sentences."""
    return [*_outages(requests), *_standstills(requests, stored), *_takeovers(rows)]


def _outages(requests: LoadRequests) -> list[str]:
    spans: list[list[LoadAttempt]] = []
    failed = sorted(
        (one for one in requests.attempts if one.error and not one.is_stopped), key=lambda one: one.ended_at
    )
    for attempt in failed:
        if spans and attempt.ended_at - spans[-1][-1].ended_at <= OUTAGE_GAP_SECONDS:
            spans[-1].append(attempt)
        else:
            spans.append([attempt])
    finally_accepted = {(one.number, one.copy) for one in requests.attempts if one.error is None}
    return [_outage(requests, span, finally_accepted) for span in spans]


def _outage(
    requests: LoadRequests, span: Sequence[LoadAttempt], finally_accepted: set[tuple[int, int]]
) -> str:
    first, last = requests.moment(span[0].at), requests.moment(span[-1].ended_at)
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in Counter(one.error for one in span).most_common())
    given_up = {(one.number, one.copy) for one in span} - finally_accepted
    again = "it was" if len(span) == 1 else "all were"
    ended = (
        f"{many(len(given_up), 'of them was', 'of them were')} given up"
        if given_up
        else f"{again} made again and accepted"
    )
    return f"{_time(first)} to {_time(last)}: {many(len(span), 'request was', 'requests were')} not accepted ({kinds}); {ended}"


def _standstills(requests: LoadRequests, stored: Mapping[str, float]) -> list[str]:
    at = sorted(stored.values())
    return [
        f"{_time(requests.moment(before))} to {_time(requests.moment(after))}: no row was completed for "
        f"{after - before:.1f} s"
        for before, after in itertools.pairwise(at)
        if after - before > STANDSTILL_SECONDS
    ]


def _takeovers(rows: Sequence[RowOfTest]) -> list[str]:
    again = [row for row in rows if row.is_completed and row.attempts > 1]
    if not again:
        return []
    return [
        (
            f"{many(len(again), 'message')} needed more than one attempt (up to {max(row.attempts for row in again)}): "
            "a run before had failed or died"
        )
    ]


def _time(moment: datetime) -> str:
    return f"{moment:%H:%M:%S}.{moment.microsecond // 100_000}"
