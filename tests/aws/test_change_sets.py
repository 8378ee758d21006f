"""Whose a resource is, by CloudFormation: the emulators do not tell it by a physical id."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from botocore.stub import Stubber

from b2bpilot.aws.change_sets import owner
from b2bpilot.aws.session import AwsAccess
from tests.aws.conftest import REGION

URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/b2b-pilot-dead-letters-dev"


def answered(*states: str) -> str | None:
    client = AwsAccess(region=REGION, access_key_id="test", secret_access_key="test").client("cloudformation")
    stub = Stubber(client)
    if states:
        stub.add_response("describe_stack_resources", {"StackResources": list(map(resource, states))})
    else:
        stub.add_client_error("describe_stack_resources", "ValidationError", "no stack has it")
    with stub:
        return owner(client, URL)


def resource(state: str) -> dict[str, object]:
    return {
        "StackName": "somebody-elses",
        "LogicalResourceId": "DeadLetterQueue",
        "PhysicalResourceId": URL,
        "ResourceType": "AWS::SQS::Queue",
        "ResourceStatus": state,
        "Timestamp": datetime(2026, 11, 30, tzinfo=UTC),
    }


@pytest.mark.parametrize(
    ("states", "whose"),
    [
        ((), None),
        (("CREATE_COMPLETE",), "somebody-elses"),
        (("UPDATE_COMPLETE",), "somebody-elses"),
        (("DELETE_SKIPPED",), None),
        (("DELETE_SKIPPED", "IMPORT_COMPLETE"), "somebody-elses"),
    ],
)
def test_a_kept_resource_is_nobodys(states: tuple[str, ...], whose: str | None) -> None:
    assert answered(*states) == whose
