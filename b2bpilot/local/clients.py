"""Clients for the emulator, whatever the user's AWS settings say."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from b2bpilot.aws.session import AwsAccess, Timeouts

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_lambda import LambdaClient
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_sns import SNSClient
    from types_boto3_sqs import SQSClient

REGION = "us-east-1"
SECRET_KEY = "local"  # noqa: S105  # the emulator checks no signature
TIMEOUTS = Timeouts(connect_seconds=5, read_seconds=60, attempts=1)


@dataclass(frozen=True)
class LocalAws:
    """One client per service, made when it is first used and kept: making one costs a tenth of a second."""

    endpoint_url: str
    account_id: str

    @cached_property
    def access(self) -> AwsAccess:
        return AwsAccess(
            region=REGION,
            endpoint_url=self.endpoint_url,
            access_key_id=self.account_id,
            secret_access_key=SECRET_KEY,
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
    def functions(self) -> LambdaClient:
        client: LambdaClient = self.access.client("lambda", TIMEOUTS)
        return client

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        client: CloudWatchLogsClient = self.access.client("logs", TIMEOUTS)
        return client

    @cached_property
    def sns(self) -> SNSClient:
        client: SNSClient = self.access.client("sns", TIMEOUTS)
        return client

    @cached_property
    def sqs(self) -> SQSClient:
        client: SQSClient = self.access.client("sqs", TIMEOUTS)
        return client


def credentials(endpoint_url: str, account_id: str) -> dict[str, str]:
    """What any AWS tool needs to talk to the emulator, which tells accounts apart by the access key id."""
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": account_id,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
    }
