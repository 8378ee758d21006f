"""The environment's secrets. Used by the functions too: imports boto3 and errors, nothing else of ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from b2bpilot.advice import our_command
from b2bpilot.aws.attempts import error_code
from b2bpilot.aws.failures import translated
from b2bpilot.aws.session import AwsAccess
from b2bpilot.errors import SettingsInvalid

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient


GONE = frozenset({"ResourceNotFoundException", "InvalidRequestException"})
"""None, or without a value; marked for deletion."""
WHERE_TO_LOOK = our_command("verify", "--only", "stack") + " says what is there, and how to restore it"


def read_secret(arn: str, client: SecretsManagerClient | None = None) -> Mapping[str, str]:
    """Return the fields of a secret; one that is not text, such as an object of keys, as its JSON.

    Raises AwsError, and SettingsInvalid when there is no such secret, or it is not a JSON object. Its value is in no message.
    """
    reader: SecretsManagerClient = client or AwsAccess().client("secretsmanager")
    with translated("secretsmanager:GetSecretValue"):
        try:
            text = reader.get_secret_value(SecretId=arn).get("SecretString", "")
        except ClientError as exc:
            if error_code(exc) not in GONE:
                raise
            text = f"secret {arn} is not there: never made, without a value, or marked for deletion"
            raise SettingsInvalid(text, hint=WHERE_TO_LOOK) from exc
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise SettingsInvalid(
            f"secret {arn} is not a JSON object",
            hint="correct it in Secrets Manager, or deploy the stack again",
        )
    return {str(k): v if isinstance(v, str) else json.dumps(v) for k, v in values.items() if v is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretState:
    """With `exists` False it is gone; with `deleted_at` it is about to be, and can be restored."""

    exists: bool = True
    deleted_at: datetime | None = None


def read_secret_state(arn: str, client: SecretsManagerClient) -> SecretState:
    """Return whether the secret is there, without its value. Raises AwsError."""
    with translated("secretsmanager:DescribeSecret"):
        try:
            answer = client.describe_secret(SecretId=arn)
        except ClientError as exc:
            if error_code(exc) != "ResourceNotFoundException":
                raise
            return SecretState(exists=False)
    return SecretState(deleted_at=answer.get("DeletedDate"))
