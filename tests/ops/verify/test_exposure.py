"""Whom a resource policy lets in, and whether it insists on TLS."""

from __future__ import annotations

import json
from typing import Any

import pytest

from b2bpilot.ops.verify.exposure import (
    open_to_all,
    plain_http_refused,
    refuses_plain_http,
    with_statements,
)

ACCOUNT, TOPIC = "123456789012", "arn:aws:sns:eu-west-1:123456789012:messages"
DEFAULT = {
    "Sid": "__default_statement_ID",
    "Effect": "Allow",
    "Principal": {"AWS": "*"},
    "Action": ["SNS:Publish", "SNS:Subscribe"],
    "Resource": TOPIC,
    "Condition": {"StringEquals": {"AWS:SourceOwner": ACCOUNT}},
}
"""What SNS gives a topic for which nobody wrote a policy."""


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


@pytest.mark.parametrize(
    "statement",
    [
        DEFAULT,
        {"Effect": "Deny", "Principal": "*", "Action": "sns:*"},
        {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sns:*"},
        {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sns:Publish"},
        {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "sqs:SendMessage",
            "Condition": {"ArnLike": {"aws:SourceArn": [TOPIC]}},
        },
    ],
)
def test_a_statement_for_somebody_is_not_public(statement: dict[str, Any]) -> None:
    assert open_to_all(policy(statement)) == []


@pytest.mark.parametrize(
    "condition",
    [
        None,
        {},
        {"StringLike": {"aws:SourceArn": "*"}},
        {"Bool": {"aws:SecureTransport": "true"}},
        {"StringEqualsIfExists": {"aws:SourceAccount": ACCOUNT}},
        {"ForAllValues:StringEquals": {"aws:PrincipalOrgID": "o-1"}},
        {"StringNotEquals": {"aws:SourceAccount": ACCOUNT}},
    ],
)
@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}, {"AWS": ["*"]}])
def test_a_statement_for_everybody_without_a_condition_that_narrows_it_is_public(
    principal: object, condition: dict[str, Any] | None
) -> None:
    statement = {"Sid": "Open", "Effect": "Allow", "Principal": principal, "Action": "sns:Publish"}
    if condition is not None:
        statement["Condition"] = condition
    assert [one["Sid"] for one in open_to_all(policy(DEFAULT, statement))] == ["Open"]


def test_a_statement_for_all_but_some_is_public() -> None:
    statement = {"Effect": "Allow", "NotPrincipal": {"AWS": "arn:aws:iam::1:root"}, "Action": "sns:Publish"}
    assert open_to_all(policy(statement)) == [statement]


def test_without_a_policy_nobody_is_let_in_and_plain_http_is_not_refused() -> None:
    assert open_to_all(None) == []
    assert not refuses_plain_http(None, "sns:Publish")


@pytest.mark.parametrize("action", ["sqs:SendMessage", "SQS:*", "*"])
def test_the_templates_statement_refuses_plain_http(action: str) -> None:
    assert refuses_plain_http(policy(plain_http_refused(action, "any")), "sqs:SendMessage")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changed",
    [
        {"Effect": "Allow"},
        {"Action": "sqs:ReceiveMessage"},
        {"Principal": {"AWS": "arn:aws:iam::1:root"}},
        {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
        {"Condition": {"Bool": {"aws:SecureTransport": "false"}, "StringEquals": {"aws:SourceAccount": "1"}}},
        {"Condition": {}},
    ],
)
def test_a_statement_that_only_looks_like_it_does_not_refuse_plain_http(changed: dict[str, Any]) -> None:
    statement = {**plain_http_refused("sqs:*", "any"), **changed}
    assert not refuses_plain_http(policy(statement), "sqs:SendMessage")


def test_a_statement_is_added_beside_those_of_others_and_replaces_its_own() -> None:
    mine, old = {"Sid": "Mine", "Effect": "Allow"}, {"Sid": "Mine", "Effect": "Deny"}
    document = with_statements(policy(DEFAULT, old), [mine])
    assert document["Statement"] == [DEFAULT, mine]
