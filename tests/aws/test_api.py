"""What an integration of an HTTP API calls."""

from __future__ import annotations

import pytest

from b2bpilot.aws.api import Integration

FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:webhook"
WRAPPED = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{}/invocations"


@pytest.mark.parametrize("uri", [FUNCTION, WRAPPED.format(FUNCTION)])
def test_an_integration_names_its_function_bare_or_in_a_path_of_api_gateways(uri: str) -> None:
    assert Integration(integration_id="1", uri=uri).function_arn == FUNCTION


def test_a_function_whose_name_only_begins_the_same_is_another_one() -> None:
    uri = WRAPPED.format(f"{FUNCTION}-old")
    assert Integration(integration_id="1", uri=uri).function_arn != FUNCTION
