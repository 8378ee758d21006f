"""Clients for the emulator, whatever the user's AWS settings say."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from b2bpilot.aws.session import AwsAccess, Timeouts

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_lambda import LambdaClient
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_secretsmanager import SecretsManagerClient
    from types_boto3_sns import SNSClient
    from types_boto3_sqs import SQSClient

REGION = "us-east-1"
PAIR_REGION = "us-west-2"
"""Where the second of a pair is."""
TIMEOUTS = Timeouts(connect_seconds=5, read_seconds=60, attempts=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """An environment's own. The emulator answers nobody who does not name the id; it checks no signature."""

    access_key_id: str = field(default_factory=lambda: f"LOCAL{secrets.token_hex(16).upper()}", repr=False)
    secret_access_key: str = field(default_factory=lambda: secrets.token_hex(20), repr=False)


@dataclass(frozen=True)
class LocalAws:
    """One client per service, made when it is first used and kept: making one costs a tenth of a second."""

    endpoint_url: str
    keys: Keys
    region: str = REGION

    @cached_property
    def access(self) -> AwsAccess:
        return AwsAccess(
            region=self.region,
            endpoint_url=self.endpoint_url,
            access_key_id=self.keys.access_key_id,
            secret_access_key=self.keys.secret_access_key,
            is_told_all=True,
        )

    @cached_property
    def cloudformation(self) -> CloudFormationClient:
        client: CloudFormationClient = self.access.client("cloudformation", TIMEOUTS)
        return client

    @cached_property
    def cloudwatch(self) -> CloudWatchClient:
        client: CloudWatchClient = self.access.client("cloudwatch", TIMEOUTS)
        return client

    @cached_property
    def s3(self) -> Any:
        return self.access.client("s3", TIMEOUTS)

    @cached_property
    def functions(self) -> LambdaClient:
        client: LambdaClient = self.access.client("lambda", TIMEOUTS)
        return client

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        client: CloudWatchLogsClient = self.access.client("logs", TIMEOUTS)
        return client

    @cached_property
    def secrets(self) -> SecretsManagerClient:
        client: SecretsManagerClient = self.access.client("secretsmanager", TIMEOUTS)
        return client

    @cached_property
    def sns(self) -> SNSClient:
        client: SNSClient = self.access.client("sns", TIMEOUTS)
        return client

    @cached_property
    def sqs(self) -> SQSClient:
        client: SQSClient = self.access.client("sqs", TIMEOUTS)
        return client


def credentials(endpoint_url: str, keys: Keys, region: str = REGION) -> dict[str, str]:
    """What any AWS tool needs to talk to the emulator."""
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
    }
