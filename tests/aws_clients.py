"""Clients of moto's AWS for tests, made once: each that boto3 makes reads AWS's models anew, 0.3 s of CPU."""

from __future__ import annotations

import functools
import os
from typing import Any

from b2bpilot.aws.session import AwsAccess


def client(service: str, region: str = "eu-west-1") -> Any:
    """boto3's client, one for each service, region and AWS settings of the shell."""
    return _client(
        service, region, frozenset(item for item in os.environ.items() if item[0].startswith("AWS_"))
    )


@functools.cache
def _client(service: str, region: str, _settings: frozenset[tuple[str, str]]) -> Any:
    """A client keeps the endpoint and the credentials that it was made with."""
    return AwsAccess(region=region).client(service)
