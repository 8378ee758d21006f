"""A reading for programs. What is unknown is null, and `unanswered` says why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from b2bpilot.cli.dlq import owner_view
from b2bpilot.cli.runs import run_record
from b2bpilot.cli.subscribers.subscription_view import absence_fields, runnable
from b2bpilot.pipeline.message import format_time

if TYPE_CHECKING:
    from b2bpilot.aws.alarms import Alarm
    from b2bpilot.aws.metrics import Point
    from b2bpilot.ops.redrive_in_aws.switch import Switched
    from b2bpilot.ops.rejections import Rejections
    from b2bpilot.ops.status.dead_letters import DeadLetters
    from b2bpilot.ops.status.finding import Finding
    from b2bpilot.ops.status.reading import Reading
    from b2bpilot.ops.status.subscribers import SubscriberState
    from b2bpilot.ops.status.traffic import Traffic
    from b2bpilot.ops.status.unpublished import Unpublished
    from b2bpilot.pipeline.summary import StoredLatency, TableSummary


def document(reading: Reading, found: Sequence[Finding]) -> dict[str, object]:
    from b2bpilot.ops.subscribers.health import processors

    stack = reading.environment.stack
    return {
        "environment": reading.environment.name,
        "account_id": stack.account_id,
        "region": stack.region,
        "at": format_time(reading.at),
        "wrong": [_finding(one, reading) for one in found if not one.is_over],
        "earlier": [_finding(one, reading) for one in found if one.is_over],
        "unanswered": [
            {"source": name, "error": answer.error, "hint": answer.hint}
            for name, answer in reading.unanswered
        ],
        "traffic": reading.traffic.map(_traffic),
        "refused_requests": reading.rejections.map(_rejections),
        "dead_letters": reading.dead_letters.map(_dead_letters),
        "unpublished": reading.unpublished.map(_unpublished),
        "rows": reading.rows.map(_rows),
        "failed_rows_with_dead_letter": reading.dead_lettered.value,
        "database": reading.database.map(lambda proof: proof.fields()),
        "reserved_concurrency": reading.reserved.map(lambda reserved: {"runs": reserved.runs}),
        **_express(reading),
        "processor_subscribed": reading.subscriptions.map(lambda found: bool(processors(found, stack))),
        "subscribers": reading.subscribers.map(lambda found: [_subscriber(one) for one in found]),
        **_absence(reading),
        "alarms": reading.alarms.map(lambda alarms: [_alarm(one) for one in alarms]),
        "redriver": reading.redriver.map(_redriver),
        "delivery": stack.delivery,
        "message_queue": reading.message_queue.map(
            lambda found: {"waiting": found.visible, "in_flight": found.hidden}
        ),
        "runs": reading.runs.map(lambda runs: [run_record.fields(run) for run in runs]),
    }


def _finding(finding: Finding, reading: Reading) -> dict[str, object]:
    return {
        "kind": finding.kind.name.lower(),
        "gravity": finding.gravity.name.lower(),
        "text": finding.text,
        "command": runnable(finding.command, reading.environment.access),
        "hint": finding.hint,
        "then": finding.then,
        "last_seen": format_time(finding.last.since),
        "last_seen_until": format_time(finding.last.until),
    }


def _traffic(traffic: Traffic) -> dict[str, object]:
    return {
        "since": format_time(traffic.since),
        "period_seconds": int(traffic.period.total_seconds()),
        "totals": {count.value: traffic.total(count) for count in traffic.counts},
        "newest": {level.value: traffic.newest(level) for level in traffic.levels},
        "latency_ms": _latency(traffic.latency),
        "series": {
            kind.value: [_point(point) for point in points]
            for kind, points in (*traffic.counts.items(), *traffic.levels.items())
        },
    }


def _point(point: Point) -> list[object]:
    return [format_time(point.at), point.value]


def _dead_letters(dead_letters: DeadLetters) -> dict[str, object]:
    look = dead_letters.look
    return {
        "depth": dead_letters.depth,
        "hidden": dead_letters.hidden,
        "retention_seconds": int(dead_letters.retention.total_seconds()),
        "saw": look.saw if look else None,
        "complete": look.is_complete if look else None,
        "oldest": format_time(look.oldest) if look and look.oldest else None,
        "newest": format_time(look.newest) if look and look.newest else None,
        "expiring_within_2_days": look.expiring if look else None,
        "others": owner_view.fields(look.others) if look else None,
        "not_looked_because": dead_letters.no_look,
    }


def _rejections(found: Rejections) -> dict[str, object]:
    """What CloudWatch counts as rejected, as the log tells it apart."""
    return {"others": found.others, "probes": found.probes, "complete": found.is_complete}


def _unpublished(found: Unpublished) -> dict[str, object]:
    return {
        "messages": found.messages,
        "last": format_time(found.last) if found.last else None,
        "error": found.error,
        "complete": found.is_complete,
    }


def _rows(rows: TableSummary) -> dict[str, object]:
    return {
        "discarded": rows.discarded,
        "by_status": {str(status): count for status, count in rows.by_status.items()},
        "stuck": rows.stuck,
        "stale": rows.stale,
        "replies_unknown": rows.replies_unknown,
        "latency_ms": _latency(rows.latency),
        "latency_ms_by_priority": {
            priority: _latency(found) for priority, found in sorted(rows.by_priority.items())
        },
    }


def _express(reading: Reading) -> dict[str, object]:
    """Only where there is an express lane."""
    if not reading.environment.stack.express_function_name:
        return {}
    reserved = reading.express.value
    return {
        "express_reserved_concurrency": {"runs": reserved.runs, "exists": reserved.is_there}
        if reserved
        else None
    }


def _latency(latency: StoredLatency | None) -> dict[str, object] | None:
    if latency is None:
        return None
    return {"messages": latency.rows, "p50": latency.p50_ms, "p95": latency.p95_ms}


def _subscriber(found: SubscriberState) -> dict[str, object]:
    return {
        "name": found.name,
        "dead_letters": found.dead_letters,
        "problem": found.problem,
        "doubt": found.doubt,
    }


def _absence(reading: Reading) -> dict[str, object]:
    if reading.absence.value is None:
        return {"missing": None, "missing_unknown": None}
    return absence_fields(reading.absence.value, reading.environment.access)


def _alarm(alarm: Alarm) -> dict[str, object]:
    return {
        "name": alarm.name,
        "state": alarm.state.value,
        "since": format_time(alarm.since) if alarm.since else None,
        "reason": alarm.reason,
        "actions_enabled": alarm.actions_enabled,
    }


def _redriver(switched: Switched) -> dict[str, object]:
    run = switched.run
    return {
        "state": switched.state.value,
        "on": switched.state.is_on,
        "max_concurrency": switched.max_concurrency,
        "run_id": run.run_id if run else None,
        "ended": run.ended if run else None,
    }
