"""The mapping's switch and its tags."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from botocore.stub import Stubber

from b2bpilot.aws.mappings import EventSourceMapping, MappingState
from b2bpilot.aws.session import AwsAccess
from b2bpilot.errors import AwsError
from tests.aws.conftest import REGION

UUID = "14e0db71-5d35-4eb5-b481-8945cf9d10c2"
FUNCTION = "arn:aws-cn:lambda:eu-west-1:123456789012:function:b2b-pilot-dead-letter-redriver-prod"
ARN = f"arn:aws-cn:lambda:eu-west-1:123456789012:event-source-mapping:{UUID}"


def stubbed() -> tuple[EventSourceMapping, Stubber]:
    client = AwsAccess(region=REGION, access_key_id="x", secret_access_key="y").client("lambda")
    return EventSourceMapping(client, UUID, function_arn=FUNCTION), Stubber(client)


def test_a_reading_has_aws_s_clock() -> None:
    mapping, aws = stubbed()
    answer = {
        "State": "Enabling",
        "ScalingConfig": {"MaximumConcurrency": 5},
        "ResponseMetadata": {"HTTPHeaders": {"date": "Mon, 23 Nov 2026 19:45:01 GMT"}},
    }
    aws.add_response("get_event_source_mapping", answer, {"UUID": UUID})
    with aws:
        reading = mapping.read()
    assert (reading.state, reading.max_concurrency) == (MappingState.ENABLING, 5)
    assert reading.read_at == datetime(2026, 11, 23, 19, 45, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "is_on"),
    [("Enabled", True), ("Enabling", True), ("Updating", True), ("Disabling", False), ("Disabled", False)],
)
def test_a_mapping_that_is_being_turned_off_counts_as_off(state: str, is_on: bool) -> None:
    assert MappingState(state).is_on is is_on


def test_enabling_sets_the_concurrency_in_the_same_call() -> None:
    mapping, aws = stubbed()
    wanted = {"UUID": UUID, "Enabled": True, "ScalingConfig": {"MaximumConcurrency": 4}}
    aws.add_response("update_event_source_mapping", {}, wanted)
    with aws:
        mapping.enable(max_concurrency=4)
    aws.assert_no_pending_responses()


def test_disabling_leaves_the_mapping_as_the_template_has_it() -> None:
    mapping, aws = stubbed()
    wanted = {"UUID": UUID, "Enabled": False, "ScalingConfig": {"MaximumConcurrency": 2}}
    aws.add_response("update_event_source_mapping", {}, wanted)
    with aws:
        mapping.disable()
    aws.assert_no_pending_responses()


def test_tags_are_those_of_the_mapping() -> None:
    mapping, aws = stubbed()
    aws.add_response("tag_resource", {}, {"Resource": ARN, "Tags": {"a": "b"}})
    aws.add_response("list_tags", {"Tags": {"a": "b"}}, {"Resource": ARN})
    with aws:
        mapping.write_tags({"a": "b"})
        assert mapping.tags() == {"a": "b"}


def test_a_change_that_lambda_refuses_for_now_is_an_error_of_ours() -> None:
    mapping, aws = stubbed()
    aws.add_client_error("update_event_source_mapping", "ResourceInUseException", "being updated")
    with aws, pytest.raises(AwsError, match="ResourceInUseException: being updated"):
        mapping.disable()


def test_the_mapping_names_what_turns_it_off_without_this_program() -> None:
    mapping, _ = stubbed()
    assert mapping.off_command == (
        f"aws lambda update-event-source-mapping --uuid {UUID} --no-enabled "
        "--scaling-config MaximumConcurrency=2 --region eu-west-1"
    )


def test_a_function_without_a_mapping_is_told(access: AwsAccess) -> None:
    with pytest.raises(AwsError, match="has 0 event source mappings"):
        EventSourceMapping.of_function("redriver", access=access)
