"""Checks of the category `access`: who asks, and may it ask at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from b2bpilot.aws.failures import translated
from b2bpilot.ops.verify.check import Answer, Category, Check, holds
from b2bpilot.ops.verify.deployment import Deployment

if TYPE_CHECKING:
    from types_boto3_sts import STSClient


def _credentials(deployment: Deployment) -> Answer:
    client: STSClient = deployment.client("sts")
    with translated("sts:GetCallerIdentity"):
        identity = client.get_caller_identity()
    return holds(f"{identity['Arn']} in account {identity['Account']}, {client.meta.region_name}")


CHECKS = (
    Check(
        code="B2B001",
        category=Category.ACCESS,
        statement="AWS accepts the credentials",
        why="Nothing else can be asked without them.",
        probe=_credentials,
        actions=("sts:GetCallerIdentity",),
    ),
)
