"""What CloudFormation says of a stack beside its outputs: how its last deploy ended, its drift, its template."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from b2bpilot.aws.failures import translated

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient

WORKING = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StackState:
    """`drift` is CloudFormation's word, NOT_CHECKED among them; None when it says nothing. `created_at` is None where it does
    not say it."""

    status: str
    reason: str
    drift: str | None
    drift_checked_at: datetime | None
    is_protected: bool | None
    created_at: datetime | None = None

    @property
    def is_complete(self) -> bool:
        return self.status in WORKING

    @property
    def is_changing(self) -> bool:
        return self.status.endswith("_IN_PROGRESS")


def read_state(client: CloudFormationClient, stack_name: str) -> StackState:
    """Raises AwsError."""
    with translated("cloudformation:DescribeStacks"):
        stack = client.describe_stacks(StackName=stack_name)["Stacks"][0]
    drift = stack.get("DriftInformation")
    return StackState(
        status=stack["StackStatus"],
        reason=stack.get("StackStatusReason", ""),
        drift=drift["StackDriftStatus"] if drift else None,
        drift_checked_at=drift.get("LastCheckTimestamp") if drift else None,
        is_protected=stack.get("EnableTerminationProtection"),
        created_at=stack.get("CreationTime"),
    )


def read_template(client: CloudFormationClient, stack_name: str) -> str:
    """Return the template as it was deployed, before its transform: YAML or JSON. Raises AwsError."""
    with translated("cloudformation:GetTemplate"):
        answer = client.get_template(StackName=stack_name, TemplateStage="Original")
    body: str | Mapping[str, Any] = answer.get("TemplateBody", "")
    return body if isinstance(body, str) else json.dumps(body)
