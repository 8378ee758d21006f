"""`b2bpilot logs`: what it refuses and what it says. tests/local follows real functions."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from moto.awslambda.models import LambdaFunction

from b2bpilot.cli.frame import remembered
from tests.aws_clients import client
from tests.cli.conftest import ACCOUNT, OUTPUTS, REGION, Run, Staging

GROUP = f"/aws/lambda/{OUTPUTS['ProcessorFunctionName']}"


def write(*lines: tuple[timedelta, str, str], group: str = GROUP) -> None:
    """Lines of the processor, by age, level and event."""
    logs, now = client("logs"), datetime.now(UTC)
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    events = [
        {
            "timestamp": int((now - age).timestamp() * 1000),
            "message": json.dumps({"level": level, "event": event}),
        }
        for age, level, event in sorted(lines, reverse=True)
    ]
    logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)


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


ANALYTICS = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:analytics-b2b-pilot-staging"


def subscribe(staging: Staging, endpoint: str) -> None:
    protocol = endpoint.split(":")[2] if endpoint.startswith("arn:") else "https"
    client("sns").subscribe(TopicArn=staging.topic_arn, Protocol=protocol, Endpoint=endpoint)


def make_analytics(staging: Staging) -> None:
    role = client("iam").create_role(RoleName="analytics", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    client("lambda").create_function(
        FunctionName="analytics-b2b-pilot-staging",
        Runtime="python3.13",
        Role=role,
        Handler="x.y",
        Code={"ZipFile": b"x"},
    )
    subscribe(staging, ANALYTICS)


@pytest.mark.parametrize("named", ["analytics", "analytics-b2b-pilot-staging"])
@pytest.mark.parametrize("group", ["/aws/lambda/analytics-b2b-pilot-staging", "/teams/analytics"])
def test_a_subscriber_s_log_is_where_its_function_s_configuration_says(
    run: Run, staging: Staging, monkeypatch: pytest.MonkeyPatch, group: str, named: str
) -> None:
    """moto keeps no LoggingConfig."""
    make_analytics(staging)
    configured = LambdaFunction.get_configuration

    def get_configuration(self: LambdaFunction, **options: Any) -> dict[str, Any]:
        return {**configured(self, **options), "LoggingConfig": {"LogGroup": group}}

    monkeypatch.setattr(LambdaFunction, "get_configuration", get_configuration)
    write((timedelta(minutes=1), "ERROR", "failed"), group=group)

    found = run("logs", "-e", "staging", "--subscriber", named, "-o", "jsonl")

    assert found.exit_code == 0, found.stderr
    assert [(line["function"], line["line"]["event"]) for line in found.lines] == [("analytics", "failed")]
    offered = remembered.subscribers(Path.home() / ".local/state/b2bpilot", "staging")
    assert "analytics" in offered


def test_a_function_that_is_gone_leaves_its_log(run: Run, staging: Staging) -> None:
    subscribe(staging, ANALYTICS)
    write((timedelta(minutes=1), "ERROR", "failed"), group="/aws/lambda/analytics-b2b-pilot-staging")

    found = run("logs", "-e", "staging", "--subscriber", "analytics", "-o", "jsonl")

    assert [line["line"]["event"] for line in found.lines] == ["failed"]


@pytest.mark.parametrize(
    ("endpoint", "name", "said"),
    [
        (
            "arn:aws:lambda:eu-west-1:210987654321:function:billing",
            "billing",
            f"billing is in account 210987654321, this environment in {ACCOUNT}: its log is out of reach",
        ),
        (
            f"arn:aws:sqs:eu-west-1:{ACCOUNT}:archive",
            "archive",
            "subscriber archive has no log: no function takes from its queue",
        ),
        (
            "https://crm.example.com/sns",
            "https://crm.example.com/sns",
            "has no log: it is no function and no queue",
        ),
    ],
)
def test_who_has_no_log_within_reach_is_told_so(
    run: Run, staging: Staging, endpoint: str, name: str, said: str
) -> None:
    client("sqs").create_queue(QueueName="archive")
    subscribe(staging, endpoint)

    found = run("logs", "-e", "staging", "--subscriber", name)

    assert (found.exit_code, found.stdout) == (5, "")
    assert said in found.stderr


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
        (["processor", "--subscriber", "x"], "--subscriber cannot be used with FUNCTION"),
        (["--subscriber", " "], "--subscriber is empty"),
        (["--subscriber", "crm"], "--subscriber: nobody called 'crm' is subscribed to the topic"),
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
