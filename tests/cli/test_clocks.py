"""Commands on a machine whose clock is wrong, by minutes and by days, both ways."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from b2bpilot.cli.app import main
from b2bpilot.ops.runs.runs import list_runs
from tests.aws_clients import client
from tests.cli.conftest import OUTPUTS, Result, Staging
from tests.cli.dlq.dead_letters import DeadLetters
from tests.events import message

ROOT = Path(__file__).parents[2]
OFF = [timedelta(minutes=-4), timedelta(minutes=4), timedelta(days=-3), timedelta(days=3)]
GROUP = f"/aws/lambda/{OUTPUTS['ProcessorFunctionName']}"

Wrong = Callable[..., Result]


@pytest.fixture(params=[timedelta(minutes=-4), timedelta(days=3)], ids=str)
def off(request: pytest.FixtureRequest) -> timedelta:
    """By how much this machine's clock is ahead of AWS's and of the database's."""
    found: timedelta = request.param
    return found


@pytest.fixture
def wrong(off: timedelta, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Wrong:
    """Run one command line on that machine."""
    monkeypatch.setenv("B2BPILOT_ENV", "staging")

    def run(*arguments: str) -> Result:
        exit_code = main(list(arguments), machine=lambda: datetime.now(UTC) + off)
        captured = capsys.readouterr()
        return Result(exit_code=exit_code, stdout=captured.out, stderr=captured.err)

    return run


@pytest.fixture
def dead_letters(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> DeadLetters:
    monkeypatch.setattr("b2bpilot.ops.dead_letters.sweep.LONG_POLL_SECONDS", 0)
    return DeadLetters()


def test_dead_letters_of_the_last_minutes_are_those_of_aws_s_last_minutes(
    wrong: Wrong, dead_letters: DeadLetters
) -> None:
    dead_letters.put(message())

    found = wrong("dlq", "list", "--since", "2m", "-o", "json")
    assert [group["count"] for group in found.document["groups"]] == [1]
    assert wrong("dlq", "list", "--until", "2m", "-o", "json").document["groups"] == []
    assert wrong("dlq", "list", "--older-than", "2m", "-o", "json").document["groups"] == []


def test_the_age_of_a_dead_letter_is_counted_by_aws_s_clock(wrong: Wrong, dead_letters: DeadLetters) -> None:
    dead_letters.put(message())

    assert re.search(
        r"^ +(in )?\d s( ago)?; 1 expires in (3|4|13|14) d", wrong("dlq", "list").stdout, re.MULTILINE
    )


@pytest.mark.parametrize("off", OFF, ids=str)
def test_a_clock_that_is_off_is_said_once_and_in_json(
    wrong: Wrong, dead_letters: DeadLetters, off: timedelta
) -> None:
    dead_letters.put(message())
    by, unit = (4, "m") if abs(off) < timedelta(days=1) else (3, "d")
    side = "ahead of" if off > timedelta() else "behind"

    found = wrong("dlq", "list", "--since", "2m", "-o", "json")

    said = [line for line in found.stderr.splitlines() if "clock is" in line]
    assert len(said) == 1
    assert re.match(rf"This machine's clock is [{by - 1}{by}] {unit} {side} AWS's: ", said[0])
    (one,) = found.document["clocks"]
    assert (one["clock"], one["compared_with"]) == ("this machine", "AWS")
    assert one["ahead_seconds"] == pytest.approx(off.total_seconds(), abs=2)


def test_what_can_be_exported_or_discarded_is_chosen_by_aws_s_clock(
    wrong: Wrong, dead_letters: DeadLetters, tmp_path: Path
) -> None:
    dead_letters.put(message())

    exported = wrong("dlq", "export", "--since", "2m", str(tmp_path / "letters.jsonl"), "-o", "json")
    assert exported.document["exported"]["letters"] == 1
    discarded = wrong("dlq", "discard", "--since", "2m", "--yes", "-o", "json")
    assert discarded.document["discarded"]["deleted"] == 1


def test_a_run_is_dated_by_aws_and_keeps_what_this_machine_s_clock_was(
    wrong: Wrong, dead_letters: DeadLetters, off: timedelta, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("B2BPILOT_HOME", str(tmp_path / "state"))
    dead_letters.put(message())
    before = datetime.now(UTC) - timedelta(seconds=2)

    assert wrong("dlq", "discard", "--since", "2m", "--yes").exit_code == 0

    (record,) = list_runs(tmp_path / "state")
    assert before <= record.started_at <= datetime.now(UTC) + timedelta(seconds=2)
    assert record.machine_ahead is not None
    assert abs(record.machine_ahead - off) < timedelta(seconds=2)
    listed = wrong("runs", "list")
    assert ("its clock is behind AWS's" if off < timedelta() else "this machine's clock was") in listed.stderr


def test_rows_are_chosen_and_aged_by_the_database_s_clock(
    wrong: Wrong, staging: Staging, database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(
            "INSERT INTO b2b_pilot_user_submissions (message_id, status, received_at) "
            "VALUES (gen_random_uuid(), 'completed', now())"
        )

    found = wrong("submissions", "list", "--since", "2m")
    assert re.search(r"\d s ago", found.stdout)
    assert wrong("submissions", "list", "--until", "2m", "-o", "json").document["submissions"] == []


def test_whether_a_row_failed_a_moment_ago_is_told_by_the_database_s_clock(
    wrong: Wrong, staging: Staging, database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as admin:
        for ago in ("1 minute", "20 minutes"):
            admin.execute(
                "INSERT INTO b2b_pilot_user_submissions (message_id, status, attempts, updated_at) "
                "VALUES (gen_random_uuid(), 'failed', 1, now() - %s::interval)",
                [ago],
            )
    stuck = wrong("submissions", "stuck", "-o", "json").document["submissions"]
    assert len({row["problem"] for row in stuck}) == 2


def test_lines_of_the_last_minutes_are_those_of_cloudwatch_s_last_minutes(
    wrong: Wrong, staging: Staging
) -> None:
    logs = client("logs")
    logs.create_log_group(logGroupName=GROUP)
    logs.create_log_stream(logGroupName=GROUP, logStreamName="one")
    event = {"timestamp": int(time.time() * 1000), "message": '{"event": "stored"}'}
    logs.put_log_events(logGroupName=GROUP, logStreamName="one", logEvents=[event])

    assert '"stored"' in wrong("logs", "processor", "--since", "2m", "-o", "jsonl").stdout


def test_what_cannot_be_read_is_refused_before_anybody_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("B2BPILOT_ENV", "staging")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    for command in (
        ["dlq", "list"],
        ["dlq", "redrive"],
        ["logs"],
        ["submissions", "list"],
        ["inspect", "+15005550006"],
    ):
        assert main([*command, "--since", "yesterday"]) == 2
        assert "neither a duration nor a time" in capsys.readouterr().err


def test_nobody_reads_this_machine_s_clock_but_one() -> None:
    """What runs on the emulator's side is a host of its own."""
    reading = re.compile(r"datetime\.(now|utcnow|today)\(|(?<!\w)time\.time\(|time_ns\(")
    own = [ROOT / "b2bpilot" / "pipeline" / "clock.py", ROOT / "lambdas" / "webhook_handler" / "handler.py"]
    found: list[Any] = [
        path.relative_to(ROOT)
        for folder in ("b2bpilot", "lambdas")
        for path in (ROOT / folder).rglob("*.py")
        if path not in own and ROOT / "b2bpilot" / "local" not in path.parents
        if reading.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []
