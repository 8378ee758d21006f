"""A row alone proves nothing of a message: only ops/table asks for rows, and knows whose they are."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import b2bpilot

ROOT = Path(b2bpilot.__file__).parent
REPUBLISH = "ops/republish/run.py"
"""It publishes the rows themselves: what it asks for is no evidence of anything else."""
MAY = {
    "progress_of": {"ops/table/row_state.py", "ops/table/asked.py", REPUBLISH},
    "stored_without_message_id": {"ops/table/row_state.py"},
    "get_submission_by_message_id": {
        "ops/table/row_state.py",
        "ops/table/asked.py",
        "ops/inspect/identity.py",  # row_found judges what it gives; `submissions show` claims nothing
        REPUBLISH,
        "local/demo.py",  # shows what its own pipeline stored
    },
}


@pytest.mark.parametrize("question", MAY)
def test_nobody_asks_the_table_otherwise(question: str) -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        if path.relative_to(ROOT).parts[0] != "pipeline" and question in _called(path)
    }

    assert found <= MAY[question]


def _called(path: Path) -> set[str]:
    calls = (node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return {
        found.attr if isinstance(found, ast.Attribute) else found.id
        for found in calls
        if isinstance(found, ast.Attribute | ast.Name)
    }
