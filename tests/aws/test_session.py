"""What goes wrong before AWS is asked, and what AWS refuses."""

from __future__ import annotations

import pytest
from botocore import exceptions as boto

from b2bpilot.aws.failures import translated
from b2bpilot.aws.session import AwsAccess
from b2bpilot.errors import (
    AwsDenied,
    AwsError,
    AwsThrottled,
    AwsUnreachable,
    CredentialsMissing,
    PilotError,
    SettingsInvalid,
)


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
