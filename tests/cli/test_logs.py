"""`b2bpilot logs`: what it refuses and what it says. tests/local follows real functions."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.aws_clients import client
from tests.cli.conftest import OUTPUTS, Run, Staging

GROUP = f"/aws/lambda/{OUTPUTS['ProcessorFunctionName']}"


def write(*lines: tuple[timedelta, str, str]) -> None:
    """Lines of the processor, by age, level and event."""
    logs, now = client("logs"), datetime.now(UTC)
    logs.create_log_group(logGroupName=GROUP)
    logs.create_log_stream(logGroupName=GROUP, logStreamName="s")
    events = [
        {
            "timestamp": int((now - age).timestamp() * 1000),
            "message": json.dumps({"level": level, "event": event}),
        }
        for age, level, event in sorted(lines, reverse=True)
    ]
    logs.put_log_events(logGroupName=GROUP, logStreamName="s", logEvents=events)


def events(run: Run, *arguments: str) -> list[str]:
    found = run("logs", "processor", "-e", "staging", "-o", "jsonl", *arguments)
    assert found.exit_code == 0
    return [line["line"]["event"] for line in found.lines]


@pytest.fixture
def a_day(staging: Staging) -> None:
    minute = timedelta(minutes=1)
    write(
        (30 * minute, "INFO", "claimed"),
        (25 * minute, "WARN", "late"),
        (20 * minute, "ERROR", "failed"),
        (2 * minute, "INFO", "stored"),
        (minute, "DEBUG", "done"),
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["stored", "done"]),
        (["-n", "1"], ["done"]),
        (["-n", "2"], ["stored", "done"]),
        (["--lines", "4"], ["late", "failed", "stored", "done"]),
        (["-n", "4", "--since", "10m"], ["stored", "done"]),
        (["-n", "1", "--since", "1h"], ["done"]),
        (["-n", "2", "--until", "15m"], ["late", "failed"]),
        (["-n", "1", "--level", "error"], ["failed"]),
        (["-n", "9", "--level", "warning"], ["late", "failed"]),
        (["-n", "9", "--level", "WARN"], ["late", "failed"]),
        (["--since", "1h", "--level", "Info"], ["claimed", "late", "failed", "stored"]),
        (["--since", "1h", "--level", "debug"], ["claimed", "late", "failed", "stored", "done"]),
        (["--since", "1h", "--level", "fatal"], []),
    ],
)
def test_the_last_lines_and_the_levels_by_their_names(
    run: Run, a_day: None, arguments: list[str], expected: list[str]
) -> None:
    assert events(run, *arguments) == expected


def test_fewer_lines_than_were_asked_for_are_said(run: Run, a_day: None) -> None:
    said = run("logs", "processor", "-e", "staging", "-n", "9", "--level", "error").stderr

    assert said.startswith("Only 1 line matches since ")


def test_following_begins_with_the_last_lines(run: Run, a_day: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("b2bpilot.cli.logs.command.pause", interrupt)

    results = {count: run("logs", "processor", "-e", "staging", "-f", "-n", count) for count in "013"}
    shown = {count: result.stdout for count, result in results.items()}

    assert shown["0"] == ""
    assert [line.split()[-1] for line in shown["1"].splitlines()] == ["done"]
    assert [line.split()[-1] for line in shown["3"].splitlines()] == ["failed", "stored", "done"]
    assert {(result.exit_code, result.stderr) for result in results.values()} == {(0, "")}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mailer"], "there is no function 'mailer'\nhint: one of webhook, processor, stale, redriver"),
        (["--level", "loud"], "--level: 'loud' must be one of"),
        (["--level", ""], "--level: '' must be one of"),
        (["-n", "0"], "--lines: 0 shows nothing"),
        (["-n", "-1"], "'-1' must be a whole number of at least 0"),
        (["--message-id", "4711"], "'4711' is neither a message_id nor a MessageSid"),
        (["--request-id", 'a" b'], "--request-id: 'a\" b' is not a request id"),
        (["--follow", "--until", "1m"], "--follow cannot be used with --until or -o json"),
        (["--follow", "-o", "json"], "--follow cannot be used with --until or -o json"),
        (["--since", "1h", "--until", "2h"], "--until: '2h' is not after --since"),
        (["--until", "1h"], "--until: '1h' is not after --since"),
        (["--filter", ""], "--filter: '' matches every line"),
        (["--since", "yesterday"], "--since: 'yesterday' is neither a duration nor a time"),
    ],
)
def test_what_makes_no_sense_is_refused(run: Run, staging: Staging, arguments: list[str], said: str) -> None:
    result = run("logs", "-e", "staging", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr + result.stdout


def test_a_log_group_that_does_not_exist_yet_is_said(run: Run, staging: Staging) -> None:
    result = run("logs", "stale", "-e", "staging")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith(
        "stale: there is no log group /aws/lambda/b2b-pilot-stale-message-processor-staging (yet)"
    )
