"""`b2bpilot verify` in the local environment: all of it passes, a real test message goes through, and leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import jsonschema
import psycopg
import pytest

from b2bpilot.ops.verify.catalogue import CHECKS
from b2bpilot.ops.verify.check import Category, Severity, Status
from tests.breaking import breaks
from tests.forked import Forked
from tests.local.conftest import ROOT, Machine, machine
from tests.local.polling import eventually

UNANSWERED = {"B2B013", "B2B029", "B2B053", "B2B072"}
"""Nobody has looked for drift; the emulator counts no requests of an HTTP API, and no memory in its reports; the stale
processor may not have run yet."""
NOT_LIKE_AWS = {"B2B088": "warning", "B2B093": "warning"}
"""No alarm notifies anybody here, and the local number has no fallback URL."""

WAITING = "SELECT 1 FROM pg_locks WHERE NOT granted"

RESULT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["code", "category", "statement", "severity", "status", "seen", "why", "mend", "docs"],
    "properties": {
        "code": {"type": "string", "pattern": "^B2B[0-9]{3}$"},
        "category": {"enum": list(Category)},
        "statement": {"type": "string"},
        "severity": {"enum": list(Severity)},
        "status": {"enum": list(Status)},
        "seen": {"type": "string", "minLength": 1},
        "why": {"type": "string"},
        "mend": {"type": ["string", "null"]},
        "docs": {"type": "string", "pattern": "^docs/checks.md#b2b[0-9]{3}$"},
        "may_change": {"type": "boolean"},
        "seconds": {"type": "number", "minimum": 0},
    },
}
DOCUMENT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["schema_version", "environment", "checks", "summary"],
    "properties": {
        "schema_version": {"const": 1},
        "environment": {"type": "string"},
        "checks": {"type": "array", "items": RESULT},
        "summary": {
            "type": "object",
            "additionalProperties": False,
            "required": list(Status),
            "properties": {status.value: {"type": "integer", "minimum": 0} for status in Status},
        },
    },
}


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """An environment of this module's own: others leave failures behind. Lambda's retries come after a second."""
    with machine(tmp_path_factory.mktemp("verify") / "home", "--time-scale", "300") as found:
        yield found


def begun(pipeline: Machine, *arguments: str, command: str = "verify") -> subprocess.Popen[str]:
    environment = os.environ | {"B2BPILOT_HOME": str(pipeline.home), "PYTHONPATH": str(ROOT)}
    return Forked(
        [sys.executable, "-m", "b2bpilot", command, "-e", "local", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def verify(pipeline: Machine, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the document."""
    with begun(pipeline, "-o", "json", *arguments) as process:
        out, _ = process.communicate(timeout=60)
    document: dict[str, Any] = json.loads(out)
    jsonschema.validate(document, DOCUMENT)
    return process.returncode, document


def diagnosed(pipeline: Machine, *arguments: str) -> tuple[int, dict[str, Any]]:
    with begun(pipeline, "-o", "json", *arguments, command="diagnose") as process:
        out, _ = process.communicate(timeout=60)
    return process.returncode, json.loads(out)


def rows(pipeline: Machine) -> list[tuple[str, bool, str | None]]:
    with psycopg.connect(database(pipeline)) as connection:
        return connection.execute(
            "SELECT message_id, test, reply_state FROM b2b_pilot_user_submissions"
        ).fetchall()


def test_a_fresh_environment_passes_and_the_test_message_leaves_nothing(pipeline: Machine) -> None:
    exit_code, document = verify(pipeline, "--with-twilio")
    found = {one["code"]: one for one in document["checks"]}
    skipped = {code for code, one in found.items() if one["status"] == "skipped"}
    red = {code: one["status"] for code, one in found.items() if one["status"] in ("warning", "failed")}

    assert list(found) == [check.code for check in CHECKS if check.category is not Category.PAIR]
    assert red == NOT_LIKE_AWS
    assert skipped <= UNANSWERED
    assert exit_code == 0
    assert "through the webhook" in found["B2B096"]["seen"]
    assert found["B2B097"]["seen"] == "1 row; 2 deliveries: 1 stored, 1 skipped as a duplicate"
    assert rows(pipeline) == []


def test_the_row_is_kept_on_request_and_nobody_got_a_reply(pipeline: Machine) -> None:
    exit_code, document = verify(pipeline, "--only", "end-to-end", "--keep")
    ((message_id, is_test, reply),) = rows(pipeline)

    assert exit_code == 0
    assert message_id in document["checks"][0]["seen"]
    assert (is_test, reply) == (True, None)
    assert document["checks"][-1]["status"] == "skipped"
    forget(pipeline)


@breaks("B2B096")
def test_a_message_that_cannot_be_stored_is_found_and_its_row_removed(pipeline: Machine) -> None:
    execute(pipeline, "ALTER TABLE b2b_pilot_user_submissions ADD CONSTRAINT wrong CHECK (body IS NULL)")
    try:
        exit_code, document = verify(pipeline, "--only", "end-to-end")
    finally:
        execute(pipeline, "ALTER TABLE b2b_pilot_user_submissions DROP CONSTRAINT wrong")

    first, *others = document["checks"]
    assert exit_code == 1
    assert (first["code"], first["status"]) == ("B2B096", "failed")
    assert 'violates check constraint "wrong"' in first["seen"]
    assert {one["status"] for one in others} == {"skipped"}
    assert rows(pipeline) == []


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_test_message_is_removed_all_the_same(pipeline: Machine, way: signal.Signals) -> None:
    """The processor stands still before a locked table when the signal comes, and stores the message after it."""
    with (
        begun(pipeline, "--only", "end-to-end") as process,
        psycopg.connect(database(pipeline)) as connection,
    ):
        connection.execute("LOCK TABLE b2b_pilot_user_submissions IN EXCLUSIVE MODE")
        eventually(lambda: connection.execute(WAITING).fetchall(), "the processor waits")
        process.send_signal(way)
        connection.rollback()
        _, told = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "interrupted" in told
    assert rows(pipeline) == []


def database(pipeline: Machine) -> str:
    return pipeline.state.database_url


def execute(pipeline: Machine, statement: str) -> None:
    with psycopg.connect(database(pipeline), autocommit=True) as connection:
        connection.execute(statement.encode())


def forget(pipeline: Machine) -> None:
    execute(pipeline, "TRUNCATE b2b_pilot_user_submissions")


def test_a_diagnosis_names_the_cause_of_what_fails_and_rules_out_the_rest(pipeline: Machine) -> None:
    execute(pipeline, "ALTER TABLE b2b_pilot_user_submissions ADD CONSTRAINT wrong CHECK (body IS NULL)")
    try:
        verify(pipeline, "--only", "end-to-end", "--keep")
        exit_code, document = diagnosed(pipeline, "errors", "--exit-code")
    finally:
        execute(pipeline, "ALTER TABLE b2b_pilot_user_submissions DROP CONSTRAINT wrong")
        forget(pipeline)
    (diagnosis,) = document["diagnoses"]
    verdicts = {one["hypothesis"]: one["verdict"] for one in diagnosis["hypotheses"]}
    (processor,) = (one for one in diagnosis["hypotheses"] if "in the processor" in one["hypothesis"])

    assert exit_code == 3
    assert processor["verdict"] == "found"
    assert any('violates check constraint "wrong"' in one["seen"] for one in processor["evidence"])
    assert verdicts["the database refuses or lacks something"] == "ruled out"
    assert verdicts["what fails cannot be kept"] == "ruled out"
