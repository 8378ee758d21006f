"""Steps about messages that fail: each names its own messages, so that nobody else's dead letter is touched."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from acceptance.archive import archive
from acceptance.outcome import require
from acceptance.patience import require_in_time
from acceptance.trial import POISONED, Trial
from b2bpilot.ops.load.plan import POISON
from b2bpilot.plural import many

REASON = "acceptance test"
LAMBDA_WRITES = "B2B042"
"""The check that the processor has its dead-letter queue."""
PARTLY = frozenset({0, 4})


def poison(trial: Trial) -> str:
    """Test messages that the processor refuses each time are published."""
    poisoned = [word for name, value in POISON.items() for word in ("--set", f"{name}={value}")]
    for name in POISONED:
        said = trial.commands.run(
            "publish", "--message-id", trial.id_of(name), "--body", trial.body, *poisoned
        )
        if trial.can(LAMBDA_WRITES):
            trial.expected_dead_letters.add(trial.id_of(name))
        require(
            said.document["published"]["outcome"] == "accepted",
            "SNS must take it",
            saw=said.document,
            hint=said.command,
        )
    return f"{many(len(POISONED), 'test message')} that cannot be stored, published"


def dead_letter(trial: Trial) -> str:
    """Lambda tries each three times, and writes it into the dead-letter queue: 3 minutes on AWS."""
    begun = time.monotonic()
    how = "" if trial.can(LAMBDA_WRITES) else _put_in(trial)
    what = f"{many(len(POISONED), 'message')} must be in the dead-letter queue"
    require_in_time(trial, partial(_dead_letters, trial), len(POISONED), what, about=trial.id_of(POISONED[0]))
    trial.expected_dead_letters.clear()
    return f"{many(len(POISONED), 'dead letter')} after {time.monotonic() - begun:.0f} s{how}"


def _put_in(trial: Trial) -> str:
    """Once their rows have failed, as after Lambda's last try. Returns what is said of it."""
    for name in POISONED:
        look = partial(_status, trial, name)
        require_in_time(trial, look, "failed", "the row must have failed", about=trial.id_of(name))
    with tempfile.TemporaryDirectory(prefix="b2bpilot-") as folder:
        file = Path(folder) / "letters.jsonl"
        file.write_bytes(archive(trial))
        trial.commands.run("dlq", "restore", str(file), "--yes", "--reason", REASON)
    return f", put in by `dlq restore`, as Lambda writes none here ({LAMBDA_WRITES})"


def _dead_letters(trial: Trial) -> int:
    """How many of the run's messages are in the queue."""
    groups = trial.commands.run("dlq", "list", *_named(trial)).document["groups"]
    return sum(int(group["messages"]) for group in groups)


def _status(trial: Trial, name: str) -> str | None:
    """What a row says; None where there is none yet."""
    said = trial.commands.ask("submissions", "show", trial.id_of(name))
    row: Mapping[str, str] = said.document.get("submission") or {}
    return row.get("status")


def listing(trial: Trial) -> str:
    """They are one group, of one cause, and their rows say the same."""
    said = trial.commands.run("dlq", "list", *_named(trial))
    groups = said.document["groups"]
    require(len(groups) == 1, "they must be one group", saw=groups, hint=said.command)
    (group,) = groups
    require(
        group["kind"] == "exception", "the cause must be an exception", saw=group["kind"], hint=said.command
    )
    require(
        "NumMedia" in (group["error"] or ""), "the cause must be named", saw=group["error"], hint=said.command
    )
    require(
        group["rows"] == {"failed": len(POISONED)},
        "their rows must have failed",
        saw=group["rows"],
        hint=said.command,
    )
    return f"{group['count']} {group['kind']}: {group['error']}; rows: {len(POISONED)} failed"


def show(trial: Trial) -> str:
    """One of them is told in full."""
    said = trial.commands.run("dlq", "show", trial.id_of("corrected"))
    dead_letter = said.document["dead_letter"]
    require(
        dead_letter["ownership"] == "ours",
        "it must be the processor's",
        saw=dead_letter["owner"],
        hint=said.command,
    )
    require(
        dead_letter["message"]["test"] is True,
        "it must be a test",
        saw=dead_letter["message"],
        hint=said.command,
    )
    missing = f"; the log is missing: {dead_letter['log_missing']}" if dead_letter["log_missing"] else ""
    return f"{dead_letter['redrive']}; {many(len(dead_letter['log']), 'line')} of the log{missing}"


def redrive_in_vain(trial: Trial) -> str:
    """A message that fails again is not called stored, and its dead letter stays."""
    said = _redrive(trial, "corrected")
    summary, unfinished = said["summary"], said["unfinished"]
    hint = trial.commands.typed("dlq", "show", trial.id_of("corrected"))
    require(
        (summary["completed"], summary["unfinished"]) == (0, 1), "it must fail again", saw=summary, hint=hint
    )
    require(unfinished[0]["in_queue"] is True, "it must stay in the queue", saw=unfinished, hint=hint)
    return f"0 completed, 1 failed again and stays in the queue: {unfinished[0]['reason']}"


def edit(trial: Trial) -> str:
    """A message is corrected inside its dead letter, by an editor that knows the fault."""
    editor = f"{sys.executable} {Path(__file__).with_name('editor.py')}"
    said = trial.commands.run(
        "dlq", "edit", trial.id_of("corrected"), "--yes", "--reason", REASON, more={"VISUAL": editor}
    )
    require(
        said.document["edited"]["changed"] is True, "it must be changed", saw=said.document, hint=said.command
    )
    return " ".join(line.strip(" ,").replace("    ", " ") for line in said.document["diff"])


def redrive(trial: Trial) -> str:
    """The corrected message is stored, as its row says, and its dead letter is gone."""
    said = _redrive(trial, "corrected")
    hint = trial.commands.typed("inspect", trial.id_of("corrected"))
    require(said["summary"]["completed"] == 1, "it must be completed", saw=said["summary"], hint=hint)
    row = trial.commands.run("submissions", "show", trial.id_of("corrected")).document["submission"]
    require(row["status"] == "completed", "its row must be completed", saw=row["status"], hint=hint)
    return f"1 completed with attempt {row['attempts']}, as its row says, and deleted from the queue"


def discard(trial: Trial) -> str:
    """A dead letter is archived, its row marked, and put back again."""
    name = trial.id_of("discarded")
    said = trial.commands.run(
        "dlq",
        "discard",
        "--message-id",
        name,
        "--yes",
        "--confirm",
        trial.environment.name,
        "--reason",
        REASON,
    )
    discarded = said.document["discarded"]
    require(discarded["deleted"] == 1, "one must be taken out", saw=discarded, hint=said.command)
    said = trial.commands.run("dlq", "restore", discarded["run_id"], "--yes", "--reason", REASON)
    restored = said.document["restored"]
    require(restored["put_back"] == 1, "it must be put back", saw=restored, hint=said.command)
    return f"1 archived and deleted, {many(discarded['rows_marked'], 'row')} marked; 1 put back"


def _named(trial: Trial) -> Sequence[str]:
    return [word for name in POISONED for word in ("--message-id", trial.id_of(name))]


def _redrive(trial: Trial, name: str) -> Mapping[str, Any]:
    return trial.commands.run(
        "dlq", "redrive", "--message-id", trial.id_of(name), "--yes", "--reason", REASON, ok=PARTLY
    ).document
