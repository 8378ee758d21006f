"""The resource policies of what a topic delivers to: who may call a function, who may send to a queue."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from b2bpilot.aws.attempts import error_code
from b2bpilot.aws.failures import translated
from b2bpilot.aws.queue_attributes import queue_at
from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.pipeline.arn import region_of

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient
    from types_boto3_sqs import SQSClient


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcePolicy:
    """A policy's JSON text, None when there is none. With `exists` False the resource itself is gone. `keeps_sns_out`: a queue's
    key lets SNS send nothing, whatever the policy says."""

    exists: bool = True
    text: str | None = None
    keeps_sns_out: bool = False


def function_policy(access: AwsAccess, arn: str, *, timeouts: Timeouts | None = None) -> ResourcePolicy:
    """Return the policy of a function, its version or alias included in the ARN. Raises AwsError.

    AWS answers the same code for a function without a policy and for one that is gone.
    """
    client: LambdaClient = where(access, arn).client("lambda", timeouts)
    with translated("lambda:GetPolicy"):
        try:
            return ResourcePolicy(text=client.get_policy(FunctionName=arn)["Policy"])
        except ClientError as exc:
            if error_code(exc) != "ResourceNotFoundException":
                raise
    with translated("lambda:GetFunctionConfiguration"):
        try:
            client.get_function_configuration(FunctionName=arn)
        except ClientError as exc:
            if error_code(exc) != "ResourceNotFoundException":
                raise
            return ResourcePolicy(exists=False)
    return ResourcePolicy()


def queue_policy(access: AwsAccess, arn: str, *, timeouts: Timeouts | None = None) -> ResourcePolicy:
    """Return the policy of a queue. Raises AwsError."""
    client: SQSClient = where(access, arn).client("sqs", timeouts)
    if (found := queue_at(client, arn)) is None:
        return ResourcePolicy(exists=False)
    return ResourcePolicy(text=found[1].policy, keeps_sns_out=found[1].keeps_sns_out)


def where(access: AwsAccess, arn: str) -> AwsAccess:
    """Return the access to a resource's own region: SNS delivers to other regions, too."""
    region = region_of(arn)
    return replace(access, region=region) if region else access
