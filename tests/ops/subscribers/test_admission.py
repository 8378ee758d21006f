"""Whether a resource's policy lets SNS in from a topic."""

from __future__ import annotations

import json
from typing import Any

import pytest

from b2bpilot.ops.subscribers.admission import admits, principal_for

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


DEFAULT, OTHER_DEFAULT, OPT_IN, OTHER_OPT_IN = "eu-west-1", "us-east-1", "af-south-1", "mx-central-1"


@pytest.mark.parametrize(
    ("topic", "endpoint", "named", "expected"),
    [
        (DEFAULT, DEFAULT, "sns", True),
        (DEFAULT, OTHER_DEFAULT, "sns", True),
        (DEFAULT, DEFAULT, f"sns.{DEFAULT}", None),
        (DEFAULT, OTHER_DEFAULT, f"sns.{DEFAULT}", None),
        (DEFAULT, DEFAULT, f"sns.{OPT_IN}", False),
        (OPT_IN, OPT_IN, "sns", True),
        (OPT_IN, OPT_IN, f"sns.{OPT_IN}", True),
        (OPT_IN, OPT_IN, f"sns.{OTHER_OPT_IN}", False),
        (OPT_IN, DEFAULT, "sns", False),
        (OPT_IN, DEFAULT, f"sns.{OPT_IN}", True),
        (OPT_IN, DEFAULT, f"sns.{DEFAULT}", None),
        (DEFAULT, OPT_IN, "sns", False),
        (DEFAULT, OPT_IN, f"sns.{OPT_IN}", True),
        (DEFAULT, OPT_IN, f"sns.{DEFAULT}", None),
        (OPT_IN, OTHER_OPT_IN, "sns", False),
        (OPT_IN, OTHER_OPT_IN, f"sns.{OTHER_OPT_IN}", True),
        (OPT_IN, OTHER_OPT_IN, f"sns.{OPT_IN}", None),
        (OPT_IN, OTHER_OPT_IN, f"sns.{DEFAULT}", False),
    ],
)
@pytest.mark.parametrize("service", ["lambda", "sqs"])
def test_the_principal_depends_on_the_regions(
    topic: str, endpoint: str, named: str, expected: bool | None, service: str
) -> None:
    """The tables of SNS's guide on delivery to other regions, and IAM's on principals in a region that was opted into."""
    topic_arn = f"arn:aws:sns:{topic}:123456789012:messages"
    endpoint_arn = f"arn:aws:{service}:{endpoint}:123456789012:own"
    allow = statement(
        Principal={"Service": f"{named}.amazonaws.com"},
        Condition={"ArnLike": {"aws:SourceArn": topic_arn}},
        Action="*",
    )
    policy = json.dumps({"Statement": [allow]})
    for action in ("lambda:InvokeFunction", "sqs:SendMessage"):
        assert admits(policy, action=action, topic_arn=topic_arn, endpoint_arn=endpoint_arn) is expected
    if named == principal_for(topic_arn, endpoint_arn).removesuffix(".amazonaws.com"):
        assert expected is True


def test_one_of_several_principals_is_enough_and_everybody_is_any_of_them() -> None:
    topic_arn = f"arn:aws:sns:{OPT_IN}:123456789012:messages"
    for principal in ("*", {"AWS": "*"}, {"Service": ["sns.amazonaws.com", f"sns.{OPT_IN}.amazonaws.com"]}):
        policy = json.dumps({"Statement": statement(Principal=principal, Condition={})})
        queue = "arn:aws:sqs:eu-west-1:123456789012:own"
        assert admits(policy, action="lambda:InvokeFunction", topic_arn=topic_arn, endpoint_arn=queue) is True


def test_a_partition_without_opt_in_regions_has_the_plain_principal() -> None:
    topic_arn = "arn:aws-cn:sns:cn-north-1:123456789012:messages"
    other = "arn:aws-cn:sqs:cn-northwest-1:123456789012:own"
    assert principal_for(topic_arn, other) == "sns.amazonaws.com"
