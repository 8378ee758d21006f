"""Reading the environment's secret."""

from __future__ import annotations

import boto3
import pytest

from b2bpilot.aws.secrets import read_secret
from b2bpilot.aws.session import AwsAccess
from b2bpilot.errors import AwsError, SettingsInvalid
from tests.aws.conftest import REGION


def stored(text: str) -> str:
    client = boto3.client("secretsmanager", region_name=REGION)
    return client.create_secret(Name="b2b-pilot-staging", SecretString=text)["ARN"]


def test_fields_that_are_no_text_come_as_json(access: AwsAccess) -> None:
    arn = stored('{"DATABASE_URL": "postgresql://db", "TWILIO_SHARED_KEYS": {"SK1": "secret"}}')
    values = read_secret(arn, access.client("secretsmanager"))
    assert values == {"DATABASE_URL": "postgresql://db", "TWILIO_SHARED_KEYS": '{"SK1": "secret"}'}


@pytest.mark.parametrize("text", ["hunter2", '"hunter2"', '["hunter2"]'])
def test_a_secret_that_is_no_object_is_refused_without_showing_it(access: AwsAccess, text: str) -> None:
    arn = stored(text)
    with pytest.raises(SettingsInvalid, match="is not a JSON object") as raised:
        read_secret(arn, access.client("secretsmanager"))
    assert "hunter2" not in str(raised.value)


def test_a_missing_secret_is_an_error_of_aws(access: AwsAccess) -> None:
    with pytest.raises(AwsError, match="ResourceNotFoundException"):
        read_secret("arn:aws:secretsmanager:eu-west-1:1:secret:none", access.client("secretsmanager"))
