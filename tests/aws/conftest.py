"""An AWS that nobody can leave: moto, with credentials of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from moto import mock_aws

from b2bpilot.aws.session import AwsAccess

REGION = "eu-west-1"


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)


@pytest.fixture
def access() -> Iterator[AwsAccess]:
    with mock_aws():
        yield AwsAccess(region=REGION)
