"""The webhook as a fresh container has it."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator

import pytest
from moto import mock_aws

from lambdas.webhook_handler import handler as webhook
from tests.lambdas.webhook_deployment import TOKEN, URL, Topic


@pytest.fixture
def topic(monkeypatch: pytest.MonkeyPatch) -> Iterator[Topic]:
    with mock_aws():
        found = Topic()
        environment = {
            "AWS_DEFAULT_REGION": "us-east-1",
            "SNS_TOPIC_ARN": found.arn,
            "PUBLIC_WEBHOOK_URL": f"{URL}#rc=3&rp=5xx,ct,rt",
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_SECONDARY_AUTH_TOKEN": "the-new-token",
            "TWILIO_SHARED_KEYS": json.dumps({"SK1": "shared-secret"}),
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        importlib.reload(webhook)
        yield found
