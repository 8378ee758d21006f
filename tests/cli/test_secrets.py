"""Commands with a stack of two secrets: each reads its own, and what is wrong with one is named in a line."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.client import BaseClient
from psycopg.conninfo import conninfo_to_dict

from tests.aws_clients import client
from tests.cli.conftest import OUTPUTS, Run, create_stack

Staged = Callable[..., None]
PASSWORD = "p@ss/w:rd?#%'\\ schema=x"  # a test's


@pytest.fixture
def staged(aws: None, database_url: str) -> Staged:
    """Make a stack whose database's secret has these fields, or this text, and its place from the parameters."""
    place = conninfo_to_dict(database_url)

    def stage(secret: dict[str, Any] | str | None, **outputs: str) -> None:
        twilio = arn_of("TwilioSecret", json.dumps({"TWILIO_AUTH_TOKEN": "token"}))
        missing = f"{twilio.rpartition(':')[0]}:gone-AbCdEf"
        text = secret if isinstance(secret, str) else json.dumps(secret)
        where = {
            "TopicArn": "arn:aws:sns:eu-west-1:123456789012:b2b-pilot-messages-staging",
            "SecretArn": arn_of("Secret", "{}"),
            "OldSecret": "allowed",
            "TwilioSecretArn": twilio,
            "DatabaseSecretArn": missing if secret is None else arn_of("DatabaseSecret", text),
            "DatabaseHost": str(place["host"]),
            "DatabasePort": str(place.get("port") or "5432"),
            "DatabaseName": str(place["dbname"]),
        }
        given = {name: value for name, value in (where | outputs).items() if value}
        create_stack("staging", {**OUTPUTS, **given})

    return stage


def arn_of(name: str, text: str) -> str:
    return str(client("secretsmanager").create_secret(Name=name, SecretString=text)["ARN"])


def of_rds(database_url: str) -> dict[str, str]:
    return {"username": str(conninfo_to_dict(database_url)["user"]), "password": PASSWORD}


def test_a_secret_of_rds_leads_a_command_to_the_database_and_its_password_is_not_shown(
    run: Run, staged: Staged, database_url: str
) -> None:
    staged(of_rds(database_url))

    shown = run("submissions", "list", "-e", "staging")
    assert (shown.exit_code, "No submissions match" in shown.stdout + shown.stderr) == (0, True)
    migrated = run("migrate", "--status", "-e", "staging", "-v")
    assert migrated.exit_code == 0
    assert PASSWORD not in f"{shown.stdout}{shown.stderr}{migrated.stdout}{migrated.stderr}"


@pytest.mark.parametrize(
    ("secret", "outputs", "words"),
    [
        ({}, {}, "has no DATABASE_URL"),
        ({"username": "hush"}, {}, "has no password"),
        ({"username": "hush", "password": ""}, {}, "has no password"),
        ({"username": "hush", "password": None}, {}, "has no password"),
        (
            {"username": "a", "password": "hush"},
            {"DatabaseHost": ""},
            "has no host, and DatabaseHost gives none",
        ),
        (
            {"username": "a", "password": "hush"},
            {"DatabaseName": ""},
            "has no dbname, and DatabaseName gives none",
        ),
        ({"username": "a", "password": "hush", "port": "hush"}, {}, "has a port that is not a number"),
        ("hush", {}, "is not a JSON object"),
        ('["hush"]', {}, "is not a JSON object"),
        (None, {}, "is not there"),
    ],
)
@pytest.mark.parametrize("command", ["submissions list", "migrate --status"])
def test_what_is_wrong_with_the_databases_secret_is_one_line_and_exit_2(
    run: Run, staged: Staged, *, secret: Any, outputs: dict[str, str], words: str, command: str
) -> None:
    staged(secret, **outputs)

    found = run(*command.split(), "-e", "staging")

    assert found.exit_code == 2
    (error,) = [line for line in found.stderr.splitlines() if words in line]
    assert error.startswith("error: secret arn:aws:secretsmanager:")
    assert "hush" not in found.stdout + found.stderr


def test_a_reading_command_reads_no_twilio_token_and_a_command_of_twilio_no_database(
    run: Run, staged: Staged, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged(of_rds(database_url))
    read: list[str] = []
    call: Callable[..., Any] = BaseClient._make_api_call

    def recorded(at: BaseClient, operation: str, parameters: Any) -> Any:
        if operation == "GetSecretValue":
            read.append(parameters["SecretId"].split(":")[-1].partition("-")[0])
        return call(at, operation, parameters)

    monkeypatch.setattr(BaseClient, "_make_api_call", recorded)
    for command, expected in (
        ("submissions list", ["DatabaseSecret"]),
        ("migrate --status", ["DatabaseSecret"]),
        ("twilio route", ["TwilioSecret"]),
        ("publish --via webhook", ["TwilioSecret"]),
    ):
        read.clear()
        run(*command.split(), "-e", "staging")
        assert read == expected, command


def test_a_stack_of_the_release_before_has_one_secret_for_both(
    run: Run, aws: None, database_url: str
) -> None:
    old = arn_of("Secret", json.dumps({"DATABASE_URL": database_url}))
    topic = "arn:aws:sns:eu-west-1:123456789012:b2b-pilot-messages-staging"
    create_stack("staging", {**OUTPUTS, "TopicArn": topic, "SecretArn": old})

    assert run("submissions", "list", "-e", "staging").exit_code == 0


def test_while_the_functions_read_the_old_secret_the_commands_do_too(
    run: Run, staged: Staged, database_url: str
) -> None:
    old = arn_of("AsBefore", json.dumps({"DATABASE_URL": database_url}))
    staged({}, OldSecret="read", SecretArn=old)

    assert run("submissions", "list", "-e", "staging").exit_code == 0
