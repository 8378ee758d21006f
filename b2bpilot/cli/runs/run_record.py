"""A run as it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.output import Row
from b2bpilot.cli.runs.run_parameters import in_words
from b2bpilot.cli.text.durations import relative
from b2bpilot.errors import Refused
from b2bpilot.pipeline.message import format_time

if TYPE_CHECKING:
    from b2bpilot.ops.runs.record import MessageState, RunRecord

NONE = "-"
OWN_COMMANDS = frozenset({"publish", "load"})
TWILIO_COMMANDS = frozenset({"reconcile", "cutover", "rollback"})
"""Commands of their own and those of `twilio`; the others are the dead-letter queue's."""
WELL = dict.fromkeys(("restore", "replay", "publish", "load", "republish", *TWILIO_COMMANDS), "accepted")
"""The last thing that the journal says of a message when all went well, where it is not that its letter was deleted."""


def fields(record: RunRecord) -> dict[str, object]:
    """Return a run for programs."""
    return {
        "run_id": record.run_id,
        "command": record.command,
        "state": record.state.value,
        "environment": record.environment,
        "account_id": record.account_id,
        "region": record.region,
        "operator": record.operator,
        "reason": record.reason,
        "parameters": dict(record.parameters),
        "pid": record.pid,
        "started_at": format_time(record.started_at),
        "last_at": format_time(record.last_at),
        "counts": dict(record.counts) if record.counts is not None else None,
        "journal": str(record.path),
    }


def row(record: RunRecord, *, now: datetime) -> Row:
    return Row(
        fields=fields(record),
        columns={
            "run": record.run_id,
            "state": record.state.value,
            "env": record.environment,
            "age": relative(record.started_at, now=now),
            "operator": record.operator,
            "result, reason": "; ".join(part for part in (_result(record), record.reason) if part),
        },
    )


def story(record: RunRecord, *, now: datetime) -> list[tuple[str, str]]:
    """Return a run as named lines, without what it does not have."""
    where = f"{record.environment} (account {record.account_id}, {record.region})"
    lines = [
        ("run", record.run_id),
        ("command", _command(record)),
        ("state", _state(record)),
        ("environment", where),
        ("operator", record.operator),
        ("reason", record.reason),
        ("parameters", in_words(record.parameters)),
        ("started", _moment(record.started_at, now=now)),
        ("last entry", _moment(record.last_at, now=now)),
        ("result", _result(record)),
        ("journal", str(record.path)),
    ]
    return [(name, value) for name, value in lines if value]


def message_row(message: MessageState, record: RunRecord) -> Row:
    return Row(
        fields={
            "queue_message_id": message.queue_message_id,
            "message_id": message.message_id,
            "outcome": outcome(message),
            "stage": message.stage.value,
            "decision": message.decision,
            "fate": message.fate,
            "error": message.error,
            "well": is_well(message, record),
        },
        columns=_columns(message, record),
    )


def _columns(message: MessageState, record: RunRecord) -> dict[str, str]:
    why = message.error or NONE
    match record.command:
        case "cutover" | "rollback":
            return {"what was changed": message.queue_message_id, "outcome": _changed(message), "why": why}
        case "reconcile":
            own = "message sid"
        case _:
            own = "id in the queue"
    return {
        "message id": message.message_id or NONE,
        own: message.queue_message_id,
        "outcome": outcome(message),
        "why": why,
    }


def _changed(message: MessageState) -> str:
    """Nothing was sent to a number or a service: it was changed."""
    if message.is_unknown:
        return "perhaps changed"
    return "changed" if message.was_accepted else outcome(message)


def outcome(message: MessageState) -> str:
    """Return what became of a message, in one phrase: of its letter, and of its row where that was looked at."""
    if message.fate is not None:
        return f"{_stage(message)}; row {'undecided' if message.fate == 'unknown' else message.fate}"
    return f"unknown: {_stage(message)}" if message.is_unknown else _stage(message)


def _stage(message: MessageState) -> str:
    if message.is_unknown:
        return "perhaps sent"
    if message.stage.value != "planned":
        return message.stage.value
    return "not begun" if message.decision in (None, "send", "remove") else f"left: {message.decision}"


def is_well(message: MessageState, record: RunRecord) -> bool:
    return message.stage.value == WELL.get(record.command, "deleted") and message.fate in (None, "completed")


def advice(record: RunRecord, *, can_resume: bool) -> Iterator[str]:
    """Return the next command, where there is one."""
    if record.state.value == "interrupted" and can_resume:
        yield f"It was interrupted: b2bpilot runs resume {record.run_id}"
    if record.command in ("discard", "edit") and any(
        state.was_archived for state in record.messages.values()
    ):
        yield f"Its letters are archived: b2bpilot dlq restore {record.run_id} -e {record.environment}"


def require_same_place(pilot: Pilot, record: RunRecord) -> None:
    """Raises Refused when the environment is not the one of the run, but another of its name."""
    stack = pilot.environment.stack
    if (stack.account_id, stack.region) != (record.account_id, record.region):
        raise Refused(
            f"run {record.run_id} was made in account {record.account_id}, {record.region}; this is "
            f"account {stack.account_id}, {stack.region}. Nothing was changed",
            hint="check --profile and --region",
        )


def _command(record: RunRecord) -> str:
    if record.command == "redrive-lambda":
        return "dlq redrive --engine lambda"
    if record.command == "republish":
        return "submissions republish"
    if record.command in OWN_COMMANDS:
        return record.command
    return f"{'twilio' if record.command in TWILIO_COMMANDS else 'dlq'} {record.command}"


def _state(record: RunRecord) -> str:
    return (
        f"{record.state.value} (process {record.pid})"
        if record.state.value == "running"
        else record.state.value
    )


def _result(record: RunRecord) -> str:
    """What the run said at its end; before that, how far its messages are."""
    counts = record.counts
    if counts is None:
        counts = {stage.value: count for stage, count in record.stages().items()}
    return ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items() if count)


def _moment(moment: datetime, *, now: datetime) -> str:
    return f"{format_time(moment)} ({relative(moment, now=now)})"
