"""What KMS says of a key: whose it is, whether it works, and whom its policy lets use it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from b2bpilot.aws.attempts import error_code
from b2bpilot.aws.failures import translated

if TYPE_CHECKING:
    from b2bpilot.aws.session import AwsAccess


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """`policy` is the JSON text; None of a key of AWS's own, whose policy nobody can change."""

    is_aws_s: bool
    state: str
    policy: str | None


def encryption_key(access: AwsAccess, key: str) -> Key | None:
    """Return a key by its id, ARN or alias; None when there is no such key. Raises AwsError."""
    client: Any = access.client("kms")
    with translated("kms:DescribeKey"):
        try:
            found = client.describe_key(KeyId=key)["KeyMetadata"]
        except ClientError as exc:
            if error_code(exc) != "NotFoundException":
                raise
            return None
    state = str(found.get("KeyState") or "Enabled")
    if found.get("KeyManager") == "AWS":
        return Key(is_aws_s=True, state=state, policy=None)
    with translated("kms:GetKeyPolicy"):
        policy = client.get_key_policy(KeyId=found["KeyId"], PolicyName="default")["Policy"]
    return Key(is_aws_s=False, state=state, policy=policy)
