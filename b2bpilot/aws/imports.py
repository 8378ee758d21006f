"""Which stacks import what another stack exports, and what they consist of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from b2bpilot.aws.attempts import error_code
from b2bpilot.aws.failures import translated
from b2bpilot.aws.session import AwsAccess, Timeouts

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient

UNIMPORTED = "is not imported by any stack"
"""CloudFormation answers that, with the code of any other mistake in a request, where no stack imports the export
(docs/aws-facts.md#list-imports)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StackResource:
    """One resource of a stack. `physical_id` is an ARN, a URL or a name, by its type; empty where nothing was made."""

    type: str
    physical_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedWith:
    """What a stack was deployed with, as a change set of it has to repeat. `status` is CloudFormation's."""

    status: str
    parameters: tuple[str, ...]
    capabilities: tuple[str, ...]


def importers(access: AwsAccess, export: str, *, timeouts: Timeouts | None = None) -> list[str]:
    """Return the names of the stacks of this account and region that import it. Raises AwsError."""
    client: CloudFormationClient = access.client("cloudformation", timeouts)
    with translated("cloudformation:ListImports"):
        try:
            pages = client.get_paginator("list_imports").paginate(ExportName=export)
            return [name for page in pages for name in page.get("Imports", [])]
        except ClientError as exc:
            if error_code(exc) != "ValidationError" or UNIMPORTED not in str(exc):
                raise
            return []


def stack_resources(
    access: AwsAccess, stack: str, *, timeouts: Timeouts | None = None
) -> list[StackResource]:
    """Raises AwsError."""
    client: CloudFormationClient = access.client("cloudformation", timeouts)
    with translated("cloudformation:ListStackResources"):
        pages = client.get_paginator("list_stack_resources").paginate(StackName=stack)
        return [
            StackResource(type=one["ResourceType"], physical_id=one.get("PhysicalResourceId", ""))
            for page in pages
            for one in page["StackResourceSummaries"]
        ]


def deployed_with(access: AwsAccess, stack: str, *, timeouts: Timeouts | None = None) -> DeployedWith:
    """Raises AwsError."""
    client: CloudFormationClient = access.client("cloudformation", timeouts)
    with translated("cloudformation:DescribeStacks"):
        found = client.describe_stacks(StackName=stack)["Stacks"][0]
    return DeployedWith(
        status=found["StackStatus"],
        parameters=tuple(one["ParameterKey"] for one in found.get("Parameters", [])),
        capabilities=tuple(found.get("Capabilities", [])),
    )
