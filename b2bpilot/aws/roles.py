"""What a role may do, as IAM itself works it out: boundaries and the organization's policies count too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from b2bpilot.aws.failures import translated

if TYPE_CHECKING:
    from types_boto3_iam import IAMClient


def may(client: IAMClient, role_arn: str, action: str, resource: str) -> bool:
    """Tell whether the role's policies let it do the action. Resource policies are not looked at. Raises AwsError."""
    with translated("iam:SimulatePrincipalPolicy"):
        answer = client.simulate_principal_policy(
            PolicySourceArn=role_arn, ActionNames=[action], ResourceArns=[resource]
        )
    return all(result["EvalDecision"] == "allowed" for result in answer["EvaluationResults"])
