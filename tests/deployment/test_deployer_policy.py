"""docs/deployer-policy.json against the template: what CloudFormation does is done as the caller.

The actions of a resource type are those that AWS's resource providers name; they were read, not tried on AWS.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from b2bpilot.ops.verify.iam import COMMANDS

TAGS = ("TagResource", "UntagResource")


def of(service: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{service}:{name}" for name in names)


NEEDS: Mapping[str, Sequence[str]] = {
    "AWS::ApiGatewayV2::Api": (
        *of("apigateway", "GET", "POST", "PATCH", "PUT", "DELETE", "TagResource"),
        "iam:CreateServiceLinkedRole",
    ),
    "AWS::ApiGatewayV2::Integration": of("apigateway", "GET", "POST", "PATCH", "DELETE"),
    "AWS::ApiGatewayV2::Route": of("apigateway", "GET", "POST", "PATCH", "DELETE"),
    "AWS::ApiGatewayV2::Stage": (
        *of("apigateway", "GET", "POST", "PATCH", "DELETE", "TagResource"),
        *of("logs", "CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery"),
        *of(
            "logs", "ListLogDeliveries", "PutResourcePolicy", "DescribeResourcePolicies", "DescribeLogGroups"
        ),
    ),
    "AWS::CloudWatch::Alarm": of(
        "cloudwatch", "PutMetricAlarm", "DescribeAlarms", "DeleteAlarms", "ListTagsForResource", *TAGS
    ),
    "AWS::CloudWatch::Dashboard": of("cloudwatch", "PutDashboard", "GetDashboard", "DeleteDashboards"),
    "AWS::IAM::Policy": of("iam", "PutRolePolicy", "GetRolePolicy", "DeleteRolePolicy"),
    "AWS::IAM::Role": (
        *of("iam", "CreateRole", "GetRole", "UpdateRole", "UpdateRoleDescription", "UpdateAssumeRolePolicy"),
        *of("iam", "DeleteRole", "TagRole", "UntagRole", "ListRolePolicies", "ListAttachedRolePolicies"),
        *of("iam", "PutRolePolicy", "GetRolePolicy", "DeleteRolePolicy"),
    ),
    "AWS::Lambda::EventInvokeConfig": of(
        "lambda",
        *("PutFunctionEventInvokeConfig", "UpdateFunctionEventInvokeConfig"),
        *("GetFunctionEventInvokeConfig", "DeleteFunctionEventInvokeConfig"),
    ),
    "AWS::Lambda::EventSourceMapping": of(
        "lambda",
        *("CreateEventSourceMapping", "UpdateEventSourceMapping", "GetEventSourceMapping"),
        *("DeleteEventSourceMapping", "ListEventSourceMappings", "ListTags", *TAGS),
    ),
    "AWS::Lambda::Permission": of("lambda", "AddPermission", "RemovePermission", "GetPolicy"),
    "AWS::Logs::LogGroup": of(
        "logs",
        *("CreateLogGroup", "DescribeLogGroups", "DeleteLogGroup", "ListTagsForResource", *TAGS),
        *("PutRetentionPolicy", "DeleteRetentionPolicy"),
    ),
    "AWS::Logs::MetricFilter": of("logs", "PutMetricFilter", "DescribeMetricFilters", "DeleteMetricFilter"),
    "AWS::SNS::Subscription": of(
        "sns",
        *("Subscribe", "Unsubscribe", "GetSubscriptionAttributes", "SetSubscriptionAttributes"),
        "ListSubscriptionsByTopic",
    ),
    "AWS::SNS::Topic": of(
        "sns",
        *(
            "CreateTopic",
            "GetTopicAttributes",
            "SetTopicAttributes",
            "DeleteTopic",
            "GetDataProtectionPolicy",
        ),
        *("ListSubscriptionsByTopic", "ListTagsForResource", *TAGS),
    ),
    "AWS::SNS::TopicPolicy": of("sns", "SetTopicAttributes"),
    "AWS::SQS::Queue": of(
        "sqs",
        *("CreateQueue", "GetQueueUrl", "GetQueueAttributes", "SetQueueAttributes", "DeleteQueue"),
        *("TagQueue", "UntagQueue", "ListQueueTags"),
    ),
    "AWS::SQS::QueuePolicy": of("sqs", "SetQueueAttributes"),
    "AWS::Scheduler::Schedule": (
        *of("scheduler", "CreateSchedule", "GetSchedule", "UpdateSchedule", "DeleteSchedule"),
        "iam:PassRole",
    ),
    "AWS::SecretsManager::Secret": of(
        "secretsmanager", "CreateSecret", "DescribeSecret", "UpdateSecret", "DeleteSecret", *TAGS
    ),
    "AWS::Serverless::Function": (
        *of("lambda", "CreateFunction", "GetFunction", "GetFunctionConfiguration", "DeleteFunction"),
        *of("lambda", "UpdateFunctionCode", "UpdateFunctionConfiguration", "ListTags", *TAGS),
        *of("lambda", "PutFunctionConcurrency", "GetFunctionConcurrency", "DeleteFunctionConcurrency"),
        *of("lambda", "PutFunctionRecursionConfig", "GetFunctionRecursionConfig"),
        *of("lambda", "GetFunctionCodeSigningConfig", "GetRuntimeManagementConfig"),
        *of("ec2", "DescribeSubnets", "DescribeSecurityGroups", "DescribeVpcs"),
        "iam:PassRole",
        "s3:GetObject",
    ),
}
SAM = (
    *of("cloudformation", "CreateChangeSet", "DescribeChangeSet", "ExecuteChangeSet", "DeleteChangeSet"),
    *of("cloudformation", "DescribeStacks", "DescribeStackEvents", "GetTemplateSummary", "GetTemplate"),
    *of(
        "s3", "CreateBucket", "PutBucketPolicy", "GetBucketPolicy", "PutBucketVersioning", "PutBucketTagging"
    ),
    *of("s3", "PutEncryptionConfiguration", "PutBucketPublicAccessBlock", "GetBucketLocation", "ListBucket"),
    *of("s3", "GetObject", "PutObject"),
)
"""What `sam deploy --resolve-s3` does itself, its bucket's stack included."""
TO_REMOVE = ("cloudformation:DeleteStack",)

LONGEST = {"REGION": "ap-northeast-1", "ACCOUNT": "0" * 12}
MOST_CHARACTERS = 6_144
"""Of a managed policy, white space not counted."""


@pytest.fixture(scope="module")
def policy(root: Path) -> Mapping[str, Any]:
    return json.loads((root / "docs" / "deployer-policy.json").read_text())  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def allowed(policy: Mapping[str, Any]) -> set[str]:
    actions = [statement["Action"] for statement in policy["Statement"]]
    return {action for each in actions for action in ([each] if isinstance(each, str) else each)}


@pytest.fixture(scope="module")
def needed(resources: dict[str, dict[str, Any]]) -> set[str]:
    types = {each["Type"] for each in resources.values()}
    assert types <= NEEDS.keys(), "say here what a deploy of this type needs, and allow it"
    return {action for each in types for action in NEEDS[each]} | {*SAM, *TO_REMOVE, *COMMANDS["deploy"]}


def test_it_allows_what_a_deploy_of_the_template_needs(allowed: set[str], needed: set[str]) -> None:
    assert needed - allowed == set()


def test_it_allows_nothing_else(allowed: set[str], needed: set[str]) -> None:
    assert allowed - needed == set()


def test_it_fits_into_one_managed_policy(policy: Mapping[str, Any]) -> None:
    text = json.dumps(policy, separators=(",", ":"))
    for name, value in LONGEST.items():
        text = text.replace(name, value)
    assert len(text) <= MOST_CHARACTERS


def test_only_what_has_no_resource_is_allowed_on_everything(policy: Mapping[str, Any]) -> None:
    assert [each["Sid"] for each in policy["Statement"] if each["Resource"] == "*"] == ["WithoutAResource"]


def test_every_named_resource_of_the_template_is_covered(
    policy: Mapping[str, Any], of_type: Callable[[str], dict[str, dict[str, Any]]]
) -> None:
    """Names that the template writes begin as the policy has them."""
    texts = json.dumps(policy)
    for kind, key, prefix in (
        ("AWS::Serverless::Function", "FunctionName", "function:b2b-pilot-*"),
        ("AWS::SNS::Topic", "TopicName", "sns:REGION:ACCOUNT:b2b-pilot-*"),
        ("AWS::SQS::Queue", "QueueName", "sqs:REGION:ACCOUNT:b2b-pilot-*"),
        ("AWS::Scheduler::Schedule", "Name", "schedule/default/b2b-pilot-*"),
        ("AWS::CloudWatch::Alarm", "AlarmName", "alarm:b2b-pilot-*"),
        ("AWS::CloudWatch::Dashboard", "DashboardName", "dashboard/b2b-pilot-*"),
    ):
        assert prefix in texts
        named = (
            each for each in of_type(kind).values() if key in each
        )  # CloudFormation's begin with the stack's
        names = [str(each[key]["Fn::Sub"]) for each in named]
        assert names
        assert all(name.startswith("b2b-pilot-") for name in names), names
    for group in of_type("AWS::Logs::LogGroup").values():
        name = str(group["LogGroupName"]["Fn::Sub"])
        assert any(f"{name.partition('b2b-pilot-')[0]}b2b-pilot-*" in text for text in [texts])
