"""What is said of a check that is not ok: what is so. The statement is its name."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from b2bpilot.ops.verify.check import CheckResult, Status
from b2bpilot.ops.verify.report import said
from tests.ops.verify.deployments import check

OPS = Path(__file__).parents[3] / "b2bpilot" / "ops"
FILES = [*sorted((OPS / "verify").rglob("*.py")), OPS / "diagnose" / "evidence.py"]
NEEDS_THE_STATEMENT = re.compile(
    r"(it|its|they|them|that)\b|\x00?( s| bytes)? (instead\b|in the last \w+$)", re.IGNORECASE
)
"""Words that say nothing without a sentence before them; \x00 stands for a value."""


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (Status.OK, "the queue is empty: no dead letters"),
        (Status.FAILED, "about 15 dead letters in the queue (check: that the queue is empty)"),
        (Status.WARNING, "about 15 dead letters in the queue (check: that the queue is empty)"),
        (Status.SKIPPED, "needs B2B060 (check: that the queue is empty)"),
    ],
)
def test_the_statement_is_a_fact_only_where_it_is_ok(status: Status, told: str) -> None:
    seen = {Status.OK: "no dead letters", Status.SKIPPED: "needs B2B060"}.get(
        status, "about 15 dead letters in the queue"
    )
    assert (
        said(CheckResult(check=check("B2B901", statement="the queue is empty"), status=status, seen=seen))
        == told
    )


def texts(path: Path) -> list[str]:
    """What the file's probes say of a failure, a value as \x00."""
    calls = [
        node.args[0]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("fails", "silent", "warns")
        and node.args
    ]
    literals = [literal for call in calls for literal in _alternatives(call)]
    return ["".join(_parts(literal)) for literal in literals]


def _alternatives(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.IfExp):
        return [*_alternatives(node.body), *_alternatives(node.orelse)]
    return [node] if isinstance(node, ast.Constant | ast.JoinedStr) else []


def _parts(literal: ast.expr) -> list[str]:
    values = literal.values if isinstance(literal, ast.JoinedStr) else [literal]
    return [str(value.value) if isinstance(value, ast.Constant) else "\x00" for value in values]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_is_said_of_a_failure_can_be_understood_without_the_statement(path: Path) -> None:
    assert [text for text in texts(path) if NEEDS_THE_STATEMENT.match(text)] == []


def test_the_texts_of_failures_are_looked_at() -> None:
    assert sum(len(texts(path)) for path in FILES) > 50
