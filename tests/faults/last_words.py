"""What the commands that only read say when nothing moves any more, against what is there."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from tests.faults.books import Book, Evidence
from tests.faults.commands import CommandLine
from tests.faults.evidence import message_id_of
from tests.faults.options import Options

STORED = "stored"

Wrong = list[str]


def last_words(line: CommandLine, evidence: Evidence, options: Options) -> Book:
    asked: list[Callable[[CommandLine, Evidence], Wrong]] = [_list, _reconcile]
    wrong = [text for ask in asked for text in ask(line, evidence)]
    chosen = random.Random(f"{options.seed} inspected").sample(
        list(evidence.sent), min(options.samples, len(evidence.sent))
    )
    for sent in chosen:
        wrong += _inspect(line, evidence, sent.sid)
    return Book(
        promise="at rest, dlq list, twilio reconcile and inspect say what is there",
        looked_at=f"{len(asked) + len(chosen)} commands",
        broken=wrong,
    )


def _list(line: CommandLine, evidence: Evidence) -> Wrong:
    said = line.run("dlq", "list").document
    return _differences("dlq list", said, {"matched": len(evidence.dead_letters.found), "complete": True})


def _reconcile(line: CommandLine, evidence: Evidence) -> Wrong:
    said = line.run("twilio", "reconcile", "--since", "1d", "--fresh", "0s").document
    counts = said.get("reconciled", {}) if isinstance(said, dict) else {}
    completed = {row.message_id for row in evidence.rows if row.is_completed}
    known = completed | {row.message_id for row in evidence.rows} | evidence.dead_letters.message_ids
    ids = {message_id_of(sent.sid) for sent in evidence.sent}
    expected = {"missing": len(ids - known), "stored or late": len(ids & completed)}
    found = {
        "missing": counts.get("missing"),
        "stored or late": counts.get("stored", 0) + counts.get("late", 0),
    }
    return _differences("twilio reconcile", found, expected)


def _inspect(line: CommandLine, evidence: Evidence, sid: str) -> Wrong:
    said = line.run("inspect", sid).document
    verdict = said.get("inspection", {}).get("verdict") if isinstance(said, dict) else None
    rows = evidence.rows_of().get(message_id_of(sid), [])
    is_stored = any(row.is_completed for row in rows)
    if (verdict == STORED) == is_stored:
        return []
    return [f"inspect {sid} says {verdict!r}, and the row is {rows[0].status if rows else 'missing'}"]


def _differences(command: str, said: Any, expected: Mapping[str, object]) -> Wrong:
    found = {name: said.get(name) if isinstance(said, dict) else None for name in expected}
    return [] if found == expected else [f"{command} says {found}, and there are {dict(expected)}"]
