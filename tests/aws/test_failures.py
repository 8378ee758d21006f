"""What is said when no answer came."""

from __future__ import annotations

import pytest
from botocore.exceptions import ReadTimeoutError

from b2bpilot.aws.failures import translated
from b2bpilot.errors import AwsUnreachable


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
