"""Ready means ready: nothing changes by itself a moment later, and the question whether it is leaves no trace."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from b2bpilot.errors import LocalEnvironmentError
from b2bpilot.local import readiness
from tests.local.conftest import Machine, machine
from tests.local.polling import eventually

WEBHOOK = "b2b-pilot-webhook-handler-local"


def test_when_it_says_ready_all_of_it_is_in_the_state_that_it_stays_in(tmp_path: Path) -> None:
    with machine(tmp_path / "home") as fresh:
        functions = fresh.client("lambda")
        found = functions.list_functions()["Functions"]
        assert {(one["State"], one["LastUpdateStatus"]) for one in found} == {("Active", "Successful")}
        mapping = functions.get_event_source_mapping(UUID=fresh.stack_output("RedriverMappingId"))
        assert mapping["State"] == "Disabled"
        schedule = fresh.client("scheduler").get_schedule(Name=fresh.stack_output("ScheduleName"))
        assert schedule["State"] == "ENABLED"
        with psycopg.connect(fresh.state.database_url) as database:
            database.execute("SELECT discarded_by FROM b2b_pilot_user_submissions")
        assert _reasons_of_refusals(fresh) == ["there is no signature"]


def test_a_part_that_does_not_become_ready_is_named_with_the_state_that_it_is_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readiness, "READY_SECONDS", 0)
    with pytest.raises(
        LocalEnvironmentError, match=r"not ready after 0 s: the webhook \(NewConnectionError\)"
    ):
        readiness.wait_until_answering("http://127.0.0.1:9/webhook")


def _reasons_of_refusals(environment: Machine) -> list[str]:
    """After the log line of a request that came later: nothing of before is still on its way."""
    environment.client("lambda").invoke(FunctionName=WEBHOOK, Payload=json.dumps({"body": "marker"}))
    logs = environment.client("logs")

    def lines() -> list[dict[str, str]]:
        found = logs.filter_log_events(logGroupName=f"/aws/lambda/{WEBHOOK}")["events"]
        return [line for line in map(json.loads, (event["message"] for event in found)) if "reason" in line]

    return [line["reason"] for line in eventually(lines, "the line of our own")]
