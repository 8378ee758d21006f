"""Whether a resource's policy lets SNS in from a topic."""

from __future__ import annotations

import json
from typing import Any

import pytest

from b2bpilot.ops.subscribers.admission import admits

TOPIC = "arn:aws:sns:eu-west-1:123456789012:messages"
SNS = {"Service": "sns.amazonaws.com"}


def statement(**changes: Any) -> dict[str, Any]:
    """What AWS writes for `add-permission --source-arn TOPIC`."""
    usual = {
        "Effect": "Allow",
        "Principal": SNS,
        "Action": "lambda:InvokeFunction",
        "Condition": {"ArnLike": {"AWS:SourceArn": TOPIC}},
    }
    return usual | changes


def admitted(*statements: dict[str, Any]) -> bool | None:
    policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    return admits(policy, action="lambda:InvokeFunction", topic_arn=TOPIC)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"Condition": {}}, True),
        ({"Principal": "*"}, True),
        ({"Principal": {"AWS": "*"}}, True),
        ({"Principal": {"Service": ["events.amazonaws.com", "sns.amazonaws.com"]}}, True),
        ({"Principal": {"Service": "events.amazonaws.com"}}, False),
        ({"Principal": {"AWS": "123456789012"}}, False),
        ({"Action": "lambda:*"}, True),
        ({"Action": ["lambda:GetFunction", "LAMBDA:invokefunction"]}, True),
        ({"Action": "lambda:GetFunction"}, False),
        ({"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:*:other"}}}, False),
        ({"Condition": {"ArnEquals": {"aws:SourceArn": "arn:aws:sns:eu-west-1:*:mess*"}}}, True),
        ({"Condition": {"StringEquals": {"aws:SourceArn": "arn:aws:sns:eu-west-1:*:mess*"}}}, False),
        ({"Condition": {"StringEquals": {"aws:SourceAccount": ["1", "123456789012"]}}}, True),
        ({"Condition": {"StringEquals": {"aws:SourceAccount": "210987654321"}}}, False),
        ({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, True),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}, None),
        ({"NotAction": "lambda:GetFunction"}, None),
    ],
)
def test_a_statement_admits_sns_by_principal_action_and_conditions(
    changes: dict[str, Any], expected: bool | None
) -> None:
    assert admitted(statement(**changes)) is expected


def test_a_denial_outweighs_an_admission() -> None:
    assert admitted(statement(), statement(Effect="Deny")) is False


def test_a_denial_of_plain_http_does_not_concern_sns() -> None:
    plain = {"Bool": {"aws:SecureTransport": "false"}}
    assert admitted(statement(), statement(Effect="Deny", Principal="*", Action="*", Condition=plain)) is True


def test_a_denial_that_cannot_be_read_makes_it_unknown() -> None:
    unclear = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    assert admitted(statement(), statement(Effect="Deny", Condition=unclear)) is None


@pytest.mark.parametrize(
    ("policy", "expected"), [(None, False), ("no json", None), ("[]", False), ("{}", False)]
)
def test_no_policy_admits_nobody(policy: str | None, expected: bool | None) -> None:
    assert admits(policy, action="sqs:SendMessage", topic_arn=TOPIC) is expected
