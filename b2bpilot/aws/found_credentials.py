"""The credentials that boto3 finds on this machine, before anybody is asked whether they are good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from b2bpilot.aws import credentials
from b2bpilot.aws.failures import translated
from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.errors import CredentialsMissing

SOURCES = {
    "env": "the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "shared-credentials-file": "~/.aws/credentials",
    "config-file": "~/.aws/config",
    "sso": "`aws sso login`",
    "login": "`aws login`",
    "custom-process": "credential_process",
    "assume-role": "a role",
    "assume-role-with-web-identity": "a role, by a web identity",
    "container-role": "the container's role",
    "iam-role": "the instance's role",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCredentials:
    """`expires_at` is None for keys that do not expire, and while nobody was asked for them."""

    source: str
    expires_at: datetime | None


def find(access: AwsAccess) -> FoundCredentials:
    """Raises CredentialsMissing, SettingsInvalid."""
    with translated("find the AWS credentials"), access.session() as session:
        found = session.get_credentials()
    if found is None:
        raise CredentialsMissing(
            f"no AWS credentials were found{credentials.unreadable_files()}", hint=credentials.HINT
        )
    expiry = getattr(found, "_expiry_time", None)
    method = str(found.method)
    return FoundCredentials(
        source=SOURCES.get(method, method), expires_at=expiry if isinstance(expiry, datetime) else None
    )


def identity(access: AwsAccess, *, timeouts: Timeouts) -> str:
    """Return as whom AWS takes them. Raises AwsError, SettingsInvalid."""
    client = access.client("sts", timeouts)
    with translated("sts:GetCallerIdentity"):
        answer = client.get_caller_identity()
    return f"{answer['Arn']} in account {answer['Account']}"
