"""A run as it is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from b2bpilot.advice import Words, our_command
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.output import Row, of_state
from b2bpilot.cli.runs.kind import TO_BE_DONE, kind_of, so_far, so_far_in_words
from b2bpilot.cli.runs.run_parameters import in_words
from b2bpilot.cli.text.durations import ahead_in_words, relative
from b2bpilot.errors import Refused
from b2bpilot.pipeline.clock import NO_TIME
from b2bpilot.pipeline.message import format_time

if TYPE_CHECKING:
    from b2bpilot.ops.runs.record import MessageState, RunRecord

NONE = "-"
ANSWERS = ("processed", "returned without an error")
"""What a subscriber's function says of what it took: no row does."""


def fields(record: RunRecord) -> dict[str, object]:
    """Return a run for programs."""
    return {
        "run_id": record.run_id,
        "command": record.command,
        "key": kind_of(record).key,
        "state": record.state.value,
        "environment": record.environment,
        "subscriber": record.subscriber,
        "account_id": record.account_id,
        "region": record.region,
        "operator": record.operator,
        "reason": record.reason,
        "parameters": dict(record.parameters),
        "pid": record.pid,
        "started_at": format_time(record.started_at),
        "machine_ahead_seconds": None
        if record.machine_ahead is None
        else record.machine_ahead.total_seconds(),
        "last_at": format_time(record.last_at),
        "counts": dict(record.counts) if record.counts is not None else None,
        "so_far": dict(so_far(record)) if record.counts is None else None,
        "journal": str(record.path),
    }


def row(record: RunRecord, *, now: datetime) -> Row:
    return Row(
        fields=fields(record),
        columns={
            "run": record.run_id,
            "state": of_state(record.state.value),
            "env": record.environment,
            "age": relative(record.started_at, now=now),
            "operator": record.operator,
            "result, reason": "; ".join(
                part for part in (_whose(record), _result(record), record.reason) if part
            ),
        },
    )


def _whose(record: RunRecord) -> str:
    return f"subscriber {record.subscriber}" if record.subscriber else ""


def story(record: RunRecord, *, now: datetime) -> list[tuple[str, Words]]:
    """Return a run as named lines, without what it does not have."""
    whose = f", subscriber {record.subscriber}" if record.subscriber else ""
    where = f"{record.environment}{whose} (account {record.account_id}, {record.region})"
    lines: list[tuple[str, Words | None]] = [
        ("run", record.run_id),
        ("command", kind_of(record).typed),
        ("state", _state(record)),
        ("environment", where),
        ("operator", record.operator),
        ("reason", record.reason),
        ("parameters", in_words(_used(record))),
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
            "outcome": outcome(message, record),
            "stage": message.stage.value,
            "decision": message.decision,
            "fate": message.fate,
            "error": message.error,
            "well": is_well(message, record),
        },
        columns=_columns(message, record),
    )


def _columns(message: MessageState, record: RunRecord) -> dict[str, str]:
    key = kind_of(record).key
    return {
        **({"message id": message.message_id or NONE} if _is_about_messages(record) or key is None else {}),
        **({key: message.queue_message_id} if key else {}),
        "outcome": outcome(message, record),
        "why": message.error or NONE,
    }


def _is_about_messages(record: RunRecord) -> bool:
    """A cut-over changes numbers and services: there is no message in it."""
    return any(message.message_id for message in record.messages.values())


def outcome(message: MessageState, record: RunRecord) -> str:
    """Return what became of a message, in one phrase: of its dead letter, and of its row where that was looked at."""
    perhaps = kind_of(record).perhaps_done(message)
    if message.fate is not None and record.subscriber:
        return f"{perhaps or _stage(message, record)}; {message.fate}"
    if message.fate is not None:
        row_says = "undecided" if message.fate == "unknown" else message.fate
        return f"{perhaps or _stage(message, record)}; row {row_says}"
    return f"unknown: {perhaps}" if perhaps else _stage(message, record)


def _stage(message: MessageState, record: RunRecord) -> str:
    stage = message.stage.value
    if stage != "planned":
        return kind_of(record).word(stage, record)
    return "not begun" if message.decision in TO_BE_DONE else f"left: {message.decision}"


def is_well(message: MessageState, record: RunRecord) -> bool:
    return message.stage.value == kind_of(record).well and message.fate in (
        None,
        "completed",
        *(ANSWERS if record.subscriber else ()),
    )


def advice(record: RunRecord, *, can_resume: bool) -> Iterator[Words]:
    """Return the next command, where there is one."""
    if record.state.value == "interrupted" and can_resume:
        yield "It was interrupted: " + our_command("runs", "resume", record.run_id)
    if kind_of(record).archives and any(state.was_archived for state in record.messages.values()):
        yield "Its dead letters are archived: " + our_command(
            "dlq", "restore", record.run_id, "-e", record.environment
        )


def require_same_place(pilot: Pilot, record: RunRecord) -> None:
    """Raises Refused when the environment or the subscriber's queue is not the one of the run, but another of its name."""
    stack = pilot.environment.stack
    if (stack.account_id, stack.region) != (record.account_id, record.region):
        raise Refused(
            f"run {record.run_id} was made in account {record.account_id}, {record.region}; this is "
            f"account {stack.account_id}, {stack.region}",
            hint="check --profile and --region",
        )
    now = pilot.environment.recipient.dead_letter_queue_url
    if record.queue_url not in (None, now):
        raise Refused(
            f"run {record.run_id} took dead letters from {record.queue_url}; those of subscriber {record.subscriber} are in "
            f"{now} by now",
            hint="start a new run for what is there",
        )


def _used(record: RunRecord) -> Mapping[str, object]:
    """No row is waited for of another subscriber's."""
    unused = {"wait_seconds"} if record.subscriber else set()
    return {name: value for name, value in record.parameters.items() if name not in unused}


def _state(record: RunRecord) -> Words:
    if record.state.value == "running":
        return f"{record.state.value} (process {record.pid})"
    return of_state(record.state.value)


def _result(record: RunRecord) -> str:
    """What the run said at its end; before that, how far its messages are."""
    counted = [
        f"{name.replace('_', ' ')} {count:,}" for name, count in (record.counts or {}).items() if count
    ]
    said = ", ".join(so_far_in_words(record) if record.counts is None else counted)
    unit = kind_of(record).unit
    return f"{unit}: {said}" if said and unit else said


def off_by(record: RunRecord) -> str:
    """Return `4 m behind`, of the clock of the machine that the run was on."""
    return ahead_in_words(record.machine_ahead or NO_TIME)


def _moment(moment: datetime, *, now: datetime) -> str:
    return f"{format_time(moment)} ({relative(moment, now=now)})"
