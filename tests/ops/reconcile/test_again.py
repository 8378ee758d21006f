"""A reconciliation that ended before its plan was complete leads back to what it was about."""

from __future__ import annotations

from pathlib import Path

import pytest

from b2bpilot.errors import UsageError
from b2bpilot.ops.reconcile.run import require_plan
from b2bpilot.ops.runs.journal import Journal
from b2bpilot.ops.runs.record import read


def test_what_it_was_asked_for_is_not_widened(tmp_path: Path) -> None:
    with Journal.create(
        tmp_path,
        command="reconcile",
        environment="staging",
        account_id="123456789012",
        region="eu-west-1",
        operator="ana",
        reason=None,
        parameters={},
    ) as journal:
        run_id, path = journal.run_id, journal.path
    with pytest.raises(UsageError) as told:
        require_plan(read(path))
    assert f"`b2bpilot runs show {run_id}`" in str(told.value.hint)
    assert "--publish-missing" not in str(told.value.hint)
