"""What is said when no answer came."""

from __future__ import annotations

import subprocess
import sys

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSOError,
)

from b2bpilot.aws.failures import translated
from b2bpilot.errors import AwsError, AwsUnreachable, CredentialsMissing, PublishFailed


@pytest.mark.parametrize(
    ("action", "is_in_doubt"),
    [
        ("cloudformation:DescribeStacks", False),
        ("logs:FilterLogEvents", False),
        ("lambda:InvokeFunction", True),
        ("sqs:DeleteMessage", True),
    ],
)
def test_only_what_changes_something_is_left_in_doubt(action: str, is_in_doubt: bool) -> None:
    with pytest.raises(AwsUnreachable) as found, translated(action):
        raise ReadTimeoutError(endpoint_url="https://example.com")
    assert ("nobody knows whether AWS did it" in str(found.value)) is is_in_doubt


OLDER_BOTOCORE = """
import botocore.client, botocore.session
for name in ("LoginError", "TokenRetrievalError", "SSOError"):
    delattr(botocore.exceptions, name)
import lambdas.{function}.handler
"""


@pytest.mark.parametrize(
    "function",
    ["webhook_handler", "background_processor", "stale_message_processor", "dead_letter_redriver"],
)
def test_a_function_starts_with_a_botocore_that_knows_fewer_errors(function: str) -> None:
    """Lambda's runtime brings its own version, which AWS chooses."""
    subprocess.run([sys.executable, "-c", OLDER_BOTOCORE.format(function=function)], check=True)


def test_a_login_that_ran_out_is_said_to_be_one() -> None:
    with pytest.raises(CredentialsMissing, match="cannot be used"), translated("sts:GetCallerIdentity"):
        raise SSOError


def client_error(code: str, status: int, message: str = "no") -> ClientError:
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Send")  # type: ignore[arg-type]  # what is read of it


MAY_BE_DONE: list[tuple[Exception, bool]] = [
    (client_error("InvalidParameterValue", 400), False),
    (client_error("NotFound", 404), False),
    (client_error("404", 404, "<html>not this way</html>"), False),
    (client_error("413", 413), False),
    (client_error("AccessDenied", 403), False),
    (client_error("ExpiredToken", 403), False),
    (client_error("Throttling", 400), False),
    (client_error("TooManyRequestsException", 429), False),
    (client_error("ThrottlingException", 503), False),
    (client_error("RequestTimeout", 400), True),
    (client_error("408", 408), True),
    (client_error("InternalError", 500), True),
    (client_error("500", 500, "upstream connection refused"), True),
    (client_error("502", 502, "request refused by policy"), True),
    (client_error("ServiceUnavailable", 503), True),
    (client_error("302", 302), True),
    (EndpointConnectionError(endpoint_url="http://x"), False),
    (ConnectTimeoutError(endpoint_url="http://x"), False),
    (ProxyConnectionError(proxy_url="http://x"), False),
    (ParamValidationError(report="Body is missing"), False),
    (NoCredentialsError(), False),
    (ReadTimeoutError(endpoint_url="http://x"), True),
    (ConnectionClosedError(endpoint_url="http://x"), True),
    (HTTPClientError(error="something else"), True),
    (IncompleteReadError(actual_bytes=1, expected_bytes=2), True),
]


@pytest.mark.parametrize(("error", "may_be_done"), MAY_BE_DONE, ids=lambda value: str(value)[:60])
@pytest.mark.parametrize("otherwise", [AwsError, PublishFailed])
def test_an_error_says_whether_aws_may_have_done_it(
    error: Exception, may_be_done: bool, otherwise: type[AwsError]
) -> None:
    with pytest.raises(AwsError) as caught, translated("sqs:SendMessage", otherwise=otherwise):
        raise error
    assert caught.value.is_unknown is may_be_done
    assert ("nobody knows whether AWS did it" in str(caught.value)) is may_be_done


@pytest.mark.parametrize("error", [error for error, _ in MAY_BE_DONE], ids=lambda value: str(value)[:60])
def test_a_reading_that_failed_has_certainly_changed_nothing(error: Exception) -> None:
    with pytest.raises(AwsError) as caught, translated("sqs:GetQueueAttributes"):
        raise error
    assert not caught.value.is_unknown


def test_a_defect_of_our_own_is_no_answer_of_aws() -> None:
    with pytest.raises(KeyError), translated("sqs:SendMessage"):
        raise KeyError("ours")
