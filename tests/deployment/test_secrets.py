"""Who is told of which secret, who may read it, and what a deploy without a way to the database is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from b2bpilot.ops.deploy.rules import broken
from tests.deployment.evaluation import Evaluation

URL = "postgresql://user:p%22w@db.example.com/b2b"
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rds!db-1-AbCdEf"
RDS = {"DatabaseSecretArn": ARN, "DatabaseHost": "db.example.com", "DatabaseName": "b2b"}
OURS = {"DatabaseUrl": URL}
TWILIO, DATABASE, OLD = ({"Ref": name} for name in ("TwilioSecret", "DatabaseSecret", "Secret"))
WEBHOOK, PROCESSOR, STALE = "WebhookHandler", "BackgroundProcessor", "StaleMessageProcessor"
READ = "secretsmanager:GetSecretValue"


def variables(at: Evaluation, function: str) -> dict[str, Any]:
    found: dict[str, Any] = at.resource(f"{function}Function")["Environment"]["Variables"]
    return found


def told(at: Evaluation, function: str) -> dict[str, Any]:
    """The variables that name a secret or the database."""
    names = ("SECRET_ARN", "DATABASE_")
    found = variables(at, function)
    return {name: found[name] for name in found if name.endswith(names[0]) or name.startswith(names[1])}


def statements(at: Evaluation, function: str) -> Iterator[dict[str, Any]]:
    """Of the role itself, and of the policies that name it."""
    for policy in at.resource(f"{function}Role")["Policies"]:
        yield from policy["PolicyDocument"]["Statement"]
    for name in ("TwilioSecretPolicy", "DatabaseSecretPolicy"):
        policy = at.resource(name)
        if {"Ref": f"{function}Role"} in policy["Roles"]:
            yield from policy["PolicyDocument"]["Statement"]


def readable(at: Evaluation, function: str) -> list[Any]:
    return [each["Resource"] for each in statements(at, function) if each["Action"] == READ]


def test_each_function_is_told_of_the_secrets_that_it_needs_and_no_other(template: dict[str, Any]) -> None:
    """The internet-facing one of no database's, the stale processor of none of Twilio's. SECRET_ARN is for code of the
    release before, which may run for a moment: it names the least that this reads."""
    at = Evaluation(template, **OURS)

    assert told(at, WEBHOOK) == {"SECRET_ARN": TWILIO, "TWILIO_SECRET_ARN": TWILIO}
    assert told(at, STALE) == {"SECRET_ARN": DATABASE, "DATABASE_SECRET_ARN": DATABASE}
    assert told(at, PROCESSOR) == {"SECRET_ARN": OLD, "DATABASE_SECRET_ARN": DATABASE}
    assert told(at, "DeadLetterRedriver") == {}
    with_reply = Evaluation(template, **OURS, ReplyText="Thanks")
    assert told(with_reply, PROCESSOR)["TWILIO_SECRET_ARN"] == TWILIO


def test_a_role_may_read_what_its_function_needs_and_for_one_deploy_the_secret_of_the_release_before(
    template: dict[str, Any],
) -> None:
    at = Evaluation(template, **OURS, ReplyText="Thanks")
    assert readable(at, WEBHOOK) == [OLD, TWILIO]
    assert readable(at, PROCESSOR) == [OLD, TWILIO, DATABASE]
    assert readable(at, STALE) == [OLD, DATABASE]
    transitional = [each for each in statements(at, WEBHOOK) if each["Resource"] == OLD]
    assert [each["Sid"] for each in transitional] == ["ReadSecretOfTheReleaseBefore"]

    closed = Evaluation(template, **OURS, OldSecret="denied")
    assert readable(closed, WEBHOOK) == [TWILIO]
    assert readable(closed, PROCESSOR) == readable(closed, STALE) == [DATABASE]
    assert [told(closed, name).get("SECRET_ARN") for name in (WEBHOOK, PROCESSOR, STALE)] == [None] * 3


def test_a_function_changes_after_what_it_may_read_does(template: dict[str, Any]) -> None:
    """Apart from the roles, the policies stay until the end of a way back to the release before."""
    needed = {
        name: template["Resources"][f"{name}Function"]["DependsOn"] for name in (WEBHOOK, PROCESSOR, STALE)
    }
    assert needed == {
        WEBHOOK: "TwilioSecretPolicy",
        PROCESSOR: ["TwilioSecretPolicy", "DatabaseSecretPolicy"],
        STALE: "DatabaseSecretPolicy",
    }


def test_the_functions_can_go_on_with_the_secret_of_the_release_before(template: dict[str, Any]) -> None:
    at = Evaluation(template, **OURS, OldSecret="read", ReplyText="Thanks")
    for name in (WEBHOOK, PROCESSOR, STALE):
        assert told(at, name) == {"SECRET_ARN": OLD}
        assert OLD in readable(at, name)


def test_the_secret_of_the_release_before_is_as_it_was(template: dict[str, Any]) -> None:
    """An update that changes its text would write it anew, without what was added by hand."""
    text = Evaluation(template, **OURS).resource("Secret")["SecretString"]["Fn::Sub"]
    assert json.loads(text) == {
        "TWILIO_ACCOUNT_SID": "${TwilioAccountSid}",
        "TWILIO_AUTH_TOKEN": "${TwilioAuthToken}",
        "DATABASE_URL": "${DatabaseUrl}",
    }
    assert "SecretString" not in Evaluation(template, **RDS).resource("Secret")


def test_each_secret_is_json_of_what_it_is_for_and_outlives_the_stack(template: dict[str, Any]) -> None:
    at = Evaluation(template, **OURS)
    assert json.loads(at.resource("TwilioSecret")["SecretString"]["Fn::Sub"]) == {
        "TWILIO_ACCOUNT_SID": "${TwilioAccountSid}",
        "TWILIO_AUTH_TOKEN": "${TwilioAuthToken}",
    }
    assert json.loads(at.resource("DatabaseSecret")["SecretString"]["Fn::Sub"]) == {
        "DATABASE_URL": "${DatabaseUrl}"
    }
    for name in ("TwilioSecret", "DatabaseSecret", "Secret"):
        found = template["Resources"][name]
        assert (found["DeletionPolicy"], found["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
        assert "Name" not in found["Properties"]


def test_a_secret_of_rds_is_named_with_its_place_and_may_be_decrypted_with_its_own_key(
    template: dict[str, Any],
) -> None:
    at = Evaluation(template, **RDS)
    for name in (PROCESSOR, STALE):
        assert told(at, name) == {
            "DATABASE_SECRET_ARN": ARN,
            "DATABASE_HOST": "db.example.com",
            "DATABASE_PORT": "5432",
            "DATABASE_NAME": "b2b",
        }
        (decrypt,) = (each for each in statements(at, name) if each["Action"] == "kms:Decrypt")
        assert decrypt["Condition"] == {"StringEquals": {"kms:EncryptionContext:SecretARN": ARN}}
        assert ARN in readable(at, name)
    assert told(at, WEBHOOK) == {"SECRET_ARN": TWILIO, "TWILIO_SECRET_ARN": TWILIO}
    assert at.resource("DatabaseSecret") is None
    assert not any(each["Action"] == "kms:Decrypt" for each in statements(at, WEBHOOK))
    ours = Evaluation(template, **OURS)
    assert not any(each["Action"] == "kms:Decrypt" for each in statements(ours, PROCESSOR))


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        (OURS, []),
        (RDS, []),
        (
            {},
            [
                "no database is named - give DatabaseUrl, or DatabaseSecretArn with DatabaseHost and DatabaseName"
            ],
        ),
        (
            {**OURS, **RDS},
            ["DatabaseUrl and DatabaseSecretArn name a database each - leave one of them empty"],
        ),
        (
            {**RDS, "DatabaseHost": ""},
            ["DatabaseSecretArn needs DatabaseHost - a secret that RDS manages holds no host"],
        ),
        (
            {**RDS, "DatabaseName": ""},
            ["DatabaseSecretArn needs DatabaseName - a secret that RDS manages holds no database's name"],
        ),
        (
            {**RDS, "OldSecret": "read"},
            ["with OldSecret=read the functions need DatabaseUrl - the old secret knows no other way"],
        ),
    ],
)
def test_a_deploy_is_told_in_words_which_way_to_the_database_is_missing(
    template: dict[str, Any], given: dict[str, str], refused: list[str]
) -> None:
    assert [each.text for each in broken(template, given)] == refused


def test_what_the_commands_are_told_is_what_the_functions_are_told(template: dict[str, Any]) -> None:
    outputs = template["Outputs"]
    for given, database in ((OURS, DATABASE), (RDS, ARN)):
        at = Evaluation(template, **given)
        assert at.of(outputs["DatabaseSecretArn"]["Value"]) == database
        assert at.of(outputs["TwilioSecretArn"]["Value"]) == TWILIO
        assert at.of(outputs["SecretArn"]["Value"]) == OLD
        assert at.of(outputs["OldSecret"]["Value"]) == "allowed"
        for name in ("DatabaseHost", "DatabasePort", "DatabaseName"):
            assert at.holds(outputs[name]["Condition"]) is (given is RDS)
