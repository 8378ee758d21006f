"""Clients of moto's AWS for tests, made once: each that boto3 makes reads AWS's models anew, 0.3 s of CPU."""

from __future__ import annotations

import functools
import os
from typing import Any

from b2bpilot.aws.session import AwsAccess

SERVICES = (
    *("apigatewayv2", "cloudformation", "cloudwatch", "iam", "lambda", "logs", "scheduler", "secretsmanager"),
    *("sns", "sqs", "sts"),
)


def client(service: str, region: str = "eu-west-1") -> Any:
    """boto3's client, one for each service, region and AWS settings of the shell."""
    return _client(
        service, region, frozenset(item for item in os.environ.items() if item[0].startswith("AWS_"))
    )


@functools.cache
def _client(service: str, region: str, _settings: frozenset[tuple[str, str]]) -> Any:
    """A client keeps the endpoint and the credentials that it was made with."""
    return AwsAccess(region=region).client(service)


def read_models() -> None:
    """Read what boto3 needs to make a client of ours, 0.1 s of CPU for each service, before processes are forked."""
    nobody = AwsAccess(region="us-east-1", access_key_id="nobody", secret_access_key="none", is_told_all=True)
    for service in SERVICES:
        nobody.client(service)
