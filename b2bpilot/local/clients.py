"""Clients for the emulator, whatever the user's AWS settings say."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_lambda import LambdaClient
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_sqs import SQSClient

REGION = "us-east-1"
SECRET_KEY = "local"  # noqa: S105  the emulator checks no signature

_CONFIG = Config(
    retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=60, max_pool_connections=32
)


@dataclass(frozen=True)
class LocalAws:
    """One client per service, made when it is first used. Clients are safe for threads; making them is not, so `warm` first."""

    endpoint_url: str
    account_id: str

    @cached_property
    def _session(self) -> boto3.Session:
        return boto3.Session(
            aws_access_key_id=self.account_id, aws_secret_access_key=SECRET_KEY, region_name=REGION
        )

    @cached_property
    def cloudformation(self) -> CloudFormationClient:
        return self._session.client("cloudformation", endpoint_url=self.endpoint_url, config=_CONFIG)

    @cached_property
    def cloudwatch(self) -> CloudWatchClient:
        return self._session.client("cloudwatch", endpoint_url=self.endpoint_url, config=_CONFIG)

    @cached_property
    def functions(self) -> LambdaClient:
        return self._session.client("lambda", endpoint_url=self.endpoint_url, config=_CONFIG)

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        return self._session.client("logs", endpoint_url=self.endpoint_url, config=_CONFIG)

    @cached_property
    def sqs(self) -> SQSClient:
        return self._session.client("sqs", endpoint_url=self.endpoint_url, config=_CONFIG)
