"""Reading the environment's secret."""

from __future__ import annotations

import pytest

from b2bpilot.aws.secrets import read_secret
from b2bpilot.aws.session import AwsAccess
from b2bpilot.errors import SettingsInvalid
from tests.aws_clients import client


def stored(text: str) -> str:
    secrets = client("secretsmanager")
    return secrets.create_secret(Name="b2b-pilot-staging", SecretString=text)["ARN"]


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


def test_a_field_that_is_null_is_none(access: AwsAccess) -> None:
    arn = stored('{"username": "pilot", "password": null, "port": 5432}')
    assert read_secret(arn, access.client("secretsmanager")) == {"username": "pilot", "port": "5432"}


def test_a_secret_that_is_not_there_is_a_setting_that_cannot_be_used(access: AwsAccess) -> None:
    client = access.client("secretsmanager")
    deleted = stored("{}")
    client.delete_secret(SecretId=deleted)
    for arn in ("arn:aws:secretsmanager:eu-west-1:1:secret:none", deleted):
        with pytest.raises(SettingsInvalid, match=f"{arn} is not there"):
            read_secret(arn, client)
