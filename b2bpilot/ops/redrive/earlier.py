"""How often dead letters were sent from this machine and failed, by the journals: a dead letter that stays in the queue cannot say it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from b2bpilot.ops.redrive.via import RedriveVia
from b2bpilot.ops.runs.durable import JournalFailed
from b2bpilot.ops.runs.record import Stage, entries
from b2bpilot.ops.runs.runs import journals
from b2bpilot.ops.sending.result import SendOutcome

COMMAND = "redrive"
LONGEST_RETENTION = timedelta(days=14)
"""No dead letter is older (docs/aws-facts.md#sqs-retention), so no older run says anything of one."""

FAILED = b"failed"
"""Stands in every line that may matter, however JSON is spelled; what the line says is read from its fields."""


def failures(home: Path, *, environment: str, account_id: str, now: datetime) -> Mapping[str, int]:
    """Return in how many runs each dead letter failed that the processor was invoked with, by its id in the queue. `now` is this
    machine's, as its files are.

    A journal that cannot be read counts nothing: at worst a dead letter is sent once more.
    """
    counts: Counter[str] = Counter()
    for path in _recent(home, now=now):
        try:
            if _is_of(path, environment=environment, account_id=account_id):
                counts.update(_failed(path))
        except (JournalFailed, ValueError):
            continue
    return counts


def _recent(home: Path, *, now: datetime) -> Iterator[Path]:
    oldest = (now - LONGEST_RETENTION).timestamp()
    for path in journals(home):
        if f"-{COMMAND}-" in path.name and path.stat().st_mtime >= oldest:
            yield path


def _is_of(path: Path, *, environment: str, account_id: str) -> bool:
    """Tell by the first line whether a run invoked the processor of the environment."""
    started = next(entries(path), {})
    is_ours = (started.get("environment"), started.get("account_id")) == (environment, account_id)
    return is_ours and (started.get("parameters") or {}).get("via") == RedriveVia.INVOKE


def _failed(path: Path) -> set[str]:
    """Journals are long and failures few: only their lines are parsed."""
    with path.open("rb") as file:
        parsed = [json.loads(line) for line in file if FAILED in line and line.endswith(b"\n")]
    failed = [entry for entry in parsed if entry.get("event") == Stage.FAILED]
    return {entry["queue_message_id"] for entry in failed if entry.get("verdict") == SendOutcome.FAILED}
