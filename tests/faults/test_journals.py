"""What a journal's line claims is told from the whole journal."""

from __future__ import annotations

import pytest

from tests.faults.journals import Claim, Run


def resumed(via: str, *before_the_kill: str) -> Run:
    started = {"event": "started", "command": "redrive", "parameters": {"via": via}}
    lines = [*before_the_kill, "removing", "deleted"]
    dead_letter = {"queue_message_id": "q", "message_id": "m"}
    return Run(run_id="r", entries=[started, *({"event": line, **dead_letter} for line in lines)])


def test_what_lambda_took_before_a_kill_is_not_claimed_to_be_completed() -> None:
    assert list(resumed("async", "sending", "accepted").claims()) == [(Claim.DELETED_AFTER_ASYNC, "m")]


@pytest.mark.parametrize("via", ["invoke", "topic", "async"])
def test_what_is_removed_by_its_row_is_claimed_to_be_completed(via: str) -> None:
    assert list(resumed(via).claims()) == [(Claim.REMOVED, "m")]
