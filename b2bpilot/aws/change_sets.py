"""What a stack is before a deploy, and the change set that takes what a deleted stack left into a new one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, WaiterError

from b2bpilot.aws.attempts import error_code
from b2bpilot.aws.failures import translated
from b2bpilot.errors import AwsError

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cloudformation.type_defs import StackTypeDef, WaiterConfigTypeDef

QUEUE = "AWS::SQS::Queue"
WAIT: WaiterConfigTypeDef = {"Delay": 2, "MaxAttempts": 150}
GONE = "DELETE_"
"""How the states of a resource begin that its stack gives up, or has given up: kept ones end as DELETE_SKIPPED."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """A stack's state and parameters; those that are secret read `****`."""

    status: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """A queue that exists, as the only resource of a new stack."""

    stack_name: str
    logical_id: str
    queue_url: str
    template: Mapping[str, Any]
    name: str = field(default_factory=lambda: f"import-dead-letters-{token_hex(4)}")
    """Its own each time: one that failed keeps its name."""

    @property
    def resources(self) -> list[dict[str, Any]]:
        return [
            {
                "ResourceType": QUEUE,
                "LogicalResourceId": self.logical_id,
                "ResourceIdentifier": {"QueueUrl": self.queue_url},
            }
        ]


def deployed(client: CloudFormationClient, stack_name: str) -> Deployed | None:
    """Return what the stack is; None when there is none. Raises AwsError."""
    with translated("cloudformation:DescribeStacks"):
        try:
            stack = client.describe_stacks(StackName=stack_name)["Stacks"][0]
        except ClientError as exc:
            if error_code(exc) != "ValidationError":
                raise
            return None
    return _deployed(stack)


def _deployed(stack: StackTypeDef) -> Deployed:
    return Deployed(
        status=stack["StackStatus"],
        parameters={each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", [])},
        outputs={each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])},
    )


def owner(client: CloudFormationClient, physical_id: str) -> str | None:
    """Return the name of the stack that has a resource; None when no stack has it. Raises AwsError."""
    with translated("cloudformation:DescribeStackResources"):
        try:
            found = client.describe_stack_resources(PhysicalResourceId=physical_id)["StackResources"]
        except ClientError as exc:
            if error_code(exc) != "ValidationError":
                raise
            return None
    for resource in found:
        if resource.get("PhysicalResourceId") == physical_id and not resource["ResourceStatus"].startswith(
            GONE
        ):
            return resource.get("StackName")
    return None


def import_queue(client: CloudFormationClient, queue_import: Import) -> None:
    """Make the stack of the queue alone; return when it is complete. Raises AwsError."""
    with translated("cloudformation:CreateChangeSet"):
        client.create_change_set(
            StackName=queue_import.stack_name,
            ChangeSetName=queue_import.name,
            ChangeSetType="IMPORT",
            ResourcesToImport=queue_import.resources,  # type: ignore[arg-type]  # a TypedDict per resource
            TemplateBody=json.dumps(queue_import.template),
        )
    _wait(client, "change_set_create_complete", queue_import)
    with translated("cloudformation:ExecuteChangeSet"):
        client.execute_change_set(StackName=queue_import.stack_name, ChangeSetName=queue_import.name)
    _wait(client, "stack_import_complete", queue_import)


def _wait(client: CloudFormationClient, for_what: str, queue_import: Import) -> None:
    names = {"StackName": queue_import.stack_name}
    if for_what == "change_set_create_complete":
        names["ChangeSetName"] = queue_import.name
    with translated("cloudformation:DescribeStacks"):
        try:
            client.get_waiter(for_what).wait(**names, WaiterConfig=WAIT)  # type: ignore[call-overload]  # by name
        except WaiterError as exc:
            said = exc.last_response
            reason = said.get("StatusReason") or said.get("Error", {}).get("Message") or _reason(said)
            raise AwsError(
                f"{queue_import.queue_url} was not imported into stack {queue_import.stack_name}: {reason}",
                hint="nothing was taken out of the queue; look at the stack's events in the console",
            ) from exc


def _reason(said: Mapping[str, Any]) -> str:
    (stack, *_) = said.get("Stacks") or [{}]
    return stack.get("StackStatusReason") or stack.get("StackStatus") or "CloudFormation gives no reason"
