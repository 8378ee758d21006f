"""What goes wrong before AWS is asked, and what AWS refuses."""

from __future__ import annotations

import pytest
from botocore import exceptions as boto

from b2bpilot.aws.failures import translated
from b2bpilot.aws.session import AwsAccess, Timeouts, client_config
from b2bpilot.errors import (
    AwsDenied,
    AwsError,
    AwsThrottled,
    AwsUnreachable,
    CredentialsMissing,
    PilotError,
    SettingsInvalid,
)
from tests.poison import AWS


def refusal(code: str, message: str = "because") -> boto.ClientError:
    return boto.ClientError({"Error": {"Code": code, "Message": message}}, "DescribeStacks")


@pytest.mark.parametrize(
    ("foreign", "ours"),
    [
        (refusal("AccessDenied"), AwsDenied),
        (refusal("ExpiredToken"), CredentialsMissing),
        (refusal("UnrecognizedClientException"), CredentialsMissing),
        (refusal("Throttling"), AwsThrottled),
        (refusal("StackSetNotFound"), AwsError),
        (boto.NoCredentialsError(), CredentialsMissing),
        (boto.PartialCredentialsError(provider="env", cred_var="key"), CredentialsMissing),
        (boto.UnauthorizedSSOTokenError(), CredentialsMissing),
        (boto.NoRegionError(), SettingsInvalid),
        (boto.EndpointConnectionError(endpoint_url="http://x"), AwsUnreachable),
        (boto.ConnectTimeoutError(endpoint_url="http://x"), AwsUnreachable),
        (boto.ReadTimeoutError(endpoint_url="http://x"), AwsUnreachable),
        (boto.ParamValidationError(report="bad"), AwsError),
    ],
)
def test_errors_are_translated(foreign: Exception, ours: type[PilotError]) -> None:
    with pytest.raises(PilotError) as raised, translated("cloudformation:DescribeStacks"):
        raise foreign
    assert type(raised.value) is ours
    assert "\n" not in str(raised.value)
    assert raised.value.__cause__ is foreign


@pytest.mark.parametrize(
    ("access", "said"),
    [
        (AwsAccess(region="eu-west-1", profile="nobody"), "AWS profile 'nobody' does not exist"),
        (AwsAccess(region="not a region"), "region 'not a region' is not a region's name"),
        (AwsAccess(region="eu-west-1", endpoint_url="here"), "the endpoint 'here' cannot be used"),
        (AwsAccess(), "no AWS region is set"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(access: AwsAccess, said: str) -> None:
    with pytest.raises(SettingsInvalid, match=said):
        access.client("sns")


def test_secrets_are_not_in_the_repr() -> None:
    assert "hunter2" not in repr(AwsAccess(access_key_id="x", secret_access_key="hunter2"))


def test_each_service_is_asked_where_its_own_variable_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://all.example.com")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", "http://sns.example.com")
    access = AwsAccess(region="eu-west-1")
    places = {service: access.client(service).meta.endpoint_url for service in ("sns", "sqs")}
    assert places == {"sns": "http://sns.example.com", "sqs": "http://all.example.com"}


def test_an_access_that_is_told_all_takes_nothing_of_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)
    access = AwsAccess(
        region="us-east-1",
        endpoint_url="http://127.0.0.1:4566",
        access_key_id="one",
        secret_access_key="two",
        is_told_all=True,
    )
    client = access.client("sns")
    assert client.meta.endpoint_url == "http://127.0.0.1:4566"
    assert client.meta.config.retries["total_max_attempts"] == 4


@pytest.mark.parametrize(
    ("endpoint", "proxies"),
    [
        ("http://127.0.0.1:4566", {}),
        ("http://localhost:4566", {}),
        ("http://[::1]:4566", {}),
        ("http://aws.example.com", None),
        (None, None),
    ],
)
def test_no_proxy_is_asked_for_this_machine(endpoint: str | None, proxies: dict[str, str] | None) -> None:
    assert client_config(Timeouts(), endpoint_url=endpoint).proxies == proxies


def test_settings_that_boto3_finds_and_cannot_use_are_named_without_an_endpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "here")
    with pytest.raises(SettingsInvalid, match="boto3 cannot use its settings: Invalid endpoint: here"):
        AwsAccess(region="eu-west-1").client("sns")
