"""B2B088: an alarm that has an action is heard by nobody all the same, where topic, subscriptions, key or policy are wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from b2bpilot.aws.alarms import Alarm, AlarmState
from b2bpilot.ops.verify.check import CheckResult, Status
from tests.breaking import breaks
from tests.ops.verify.deployments import deployment, seen

ACCOUNT = "123456789012"
ROOT = {
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    "Action": "kms:*",
    "Resource": "*",
}
LETS_CLOUDWATCH = {
    "Effect": "Allow",
    "Principal": {"Service": "cloudwatch.amazonaws.com"},
    "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
    "Resource": "*",
}


class Account:
    def __init__(self) -> None:
        self.deployment = deployment()
        self.sns, self.kms = self.deployment.client("sns"), self.deployment.client("kms")
        self.topic: str = self.sns.create_topic(Name="on-call")["TopicArn"]

    def subscribe(self) -> None:
        self.sns.subscribe(TopicArn=self.topic, Protocol="sms", Endpoint="+15005550006")

    def set(self, name: str, value: str) -> None:
        self.sns.set_topic_attributes(TopicArn=self.topic, AttributeName=name, AttributeValue=value)

    def encrypt(self, *statements: dict[str, Any]) -> str:
        policy = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        key: str = self.kms.create_key(Policy=policy)["KeyMetadata"]["KeyId"]
        self.set("KmsMasterKeyId", key)
        return key

    def check(self, *actions: str) -> CheckResult:
        name = "b2b-pilot-dlq-staging"
        alarm = Alarm(
            name=name,
            arn=f"arn:aws:cloudwatch:eu-west-1:{ACCOUNT}:alarm:{name}",
            state=AlarmState.OK,
            reason="",
            since=None,
            actions_enabled=True,
            actions=actions or (self.topic,),
            description="",
            namespace="AWS/SQS",
            metric="",
            dimensions={},
            threshold=1,
        )
        return seen("B2B088", deployment(known={"alarms": [alarm]}))


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with mock_aws():
        yield Account()


def test_a_topic_with_a_subscriber_and_the_policy_that_sns_gives_it_is_heard(account: Account) -> None:
    account.subscribe()
    found = account.check()
    assert found.status is Status.OK, found.seen
    assert "somebody is subscribed" in found.seen


@breaks("B2B088")
def test_a_topic_without_subscribers_tells_nobody(account: Account) -> None:
    found = account.check()
    assert (found.status, found.seen) == (Status.WARNING, f"nobody is subscribed to {account.topic}")


def test_a_topic_that_is_gone_tells_nobody(account: Account) -> None:
    found = account.check(account.topic + "-gone")
    assert (found.status, found.seen) == (Status.WARNING, f"there is no topic {account.topic}-gone")


@pytest.mark.parametrize("key", ["alias/aws/sns", f"arn:aws:kms:eu-west-1:{ACCOUNT}:alias/aws/sns"])
def test_cloudwatch_cannot_publish_with_aws_s_own_key(account: Account, key: str) -> None:
    account.subscribe()
    account.set("KmsMasterKeyId", key)
    found = account.check()
    assert found.status is Status.WARNING
    assert "with which CloudWatch cannot publish" in found.seen


def test_a_key_of_one_s_own_must_let_cloudwatch_use_it(account: Account) -> None:
    account.subscribe()
    account.encrypt(ROOT)
    refused = account.check()
    account.encrypt(ROOT, LETS_CLOUDWATCH)
    assert (refused.status, account.check().status) == (Status.WARNING, Status.OK)
    assert "does not let cloudwatch.amazonaws.com do kms:Decrypt, kms:GenerateDataKey" in refused.seen


def test_a_key_that_is_disabled_encrypts_nothing(account: Account) -> None:
    account.subscribe()
    account.kms.disable_key(KeyId=account.encrypt(ROOT, LETS_CLOUDWATCH))
    assert "is Disabled" in account.check().seen


def test_a_policy_that_does_not_let_cloudwatch_publish_is_fixed_by_the_printed_command(
    account: Account,
) -> None:
    account.subscribe()
    other = {
        "Effect": "Allow",
        "Principal": {"Service": "budgets.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": account.topic,
    }
    account.set("Policy", json.dumps({"Version": "2012-10-17", "Statement": [other]}))
    found = account.check()
    assert found.status is Status.WARNING
    assert "does not let cloudwatch.amazonaws.com publish" in found.seen
    assert found.fix
    assert "budgets.amazonaws.com" in found.fix
    policy = found.fix.rpartition("--attribute-value ")[2].strip("'")
    account.set("Policy", policy)
    assert account.check().status is Status.OK


def test_alarms_that_go_to_the_topic_of_the_messages_are_found(account: Account) -> None:
    found = account.check(account.deployment.stack.topic_arn)
    assert found.status is Status.WARNING
    assert "the topic of the messages" in found.seen
