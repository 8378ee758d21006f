"""What is said when no answer came."""

from __future__ import annotations

import subprocess
import sys

import pytest
from botocore.exceptions import ReadTimeoutError, SSOError

from b2bpilot.aws.failures import translated
from b2bpilot.errors import AwsUnreachable, CredentialsMissing


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
