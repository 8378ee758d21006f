"""The template's Rules, judged as CloudFormation judges them."""

from __future__ import annotations

from typing import Any

import pytest

from b2bpilot import resources
from b2bpilot.errors import SettingsInvalid
from b2bpilot.ops.deploy.rules import broken, require
from b2bpilot.ops.verify.template import parse

TEMPLATE = parse(resources.template().read_text(encoding="utf-8"))
EITHER = {"Fn::Not": [{"Fn::And": [{"Fn::Equals": [{"Ref": name}, ""]} for name in ("Url", "Arn")]}]}
NOT_BOTH = {"Fn::Or": [{"Fn::Equals": [{"Ref": name}, ""]} for name in ("Url", "Arn")]}


def of(assertion: Any, condition: Any = True) -> dict[str, Any]:
    return {
        "Parameters": {"Url": {"Default": ""}, "Arn": {"Default": ""}, "Other": {"Default": "x"}},
        "Rules": {"One": {"RuleCondition": condition, "Assertions": [{"Assert": assertion, "AssertDescription": "no"}]}},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("assertion", "values", "holds"),
    [
        (EITHER, {}, False),
        (EITHER, {"Url": "u"}, True),
        (EITHER, {"Arn": "a"}, True),
        (NOT_BOTH, {"Url": "u"}, True),
        (NOT_BOTH, {"Url": "u", "Arn": "a"}, False),
        ({"Fn::Equals": [{"Ref": "Other"}, "x"]}, {}, True),
        ({"Fn::EachMemberEquals": [{"Ref": "Url"}, "a"]}, {"Url": "a,b"}, False),
        ({"Fn::Contains": [["a", "b"], {"Ref": "Url"}]}, {"Url": "b"}, True),
        ({"Fn::Contains": [["a", "b"], {"Ref": "Url"}]}, {"Url": "ab"}, False),
        ({"Fn::RefAll": "AWS::EC2::VPC::Id"}, {}, True),
    ],
)
def test_an_assertion_is_judged(assertion: Any, values: dict[str, str], holds: bool) -> None:
    assert (broken(of(assertion), values) == []) is holds


def test_a_rule_whose_condition_does_not_hold_says_nothing() -> None:
    assert broken(of(EITHER, {"Fn::Equals": [{"Ref": "Other"}, "y"]}), {}) == []


def test_what_is_broken_names_its_parameters() -> None:
    (found,) = broken(of(EITHER), {})
    assert found.names == {"Url", "Arn"}


def test_subnets_need_security_groups() -> None:
    given = {"SubnetIds": "subnet-0123456789abcdef0", "DatabaseUrl": "postgresql://db.example/b2b"}
    with pytest.raises(SettingsInvalid, match="SubnetIds need SecurityGroupIds"):
        require(TEMPLATE, given, region="us-east-1")
    require(TEMPLATE, given | {"SecurityGroupIds": "sg-0123456789abcdef0"}, region="us-east-1")


def test_the_pair_is_in_another_region() -> None:
    given = DATABASE | {"PairRegion": "us-west-2"}
    with pytest.raises(SettingsInvalid, match="PairRegion names the stack's own region"):
        require(TEMPLATE, given, region="us-west-2")
    require(TEMPLATE, given, region="us-east-1")
    require(TEMPLATE, DATABASE, region="us-east-1")


DATABASE = {"DatabaseUrl": "postgresql://db.example/b2b"}


@pytest.mark.parametrize("runs", ["1", "3", "9999"])
def test_an_express_lane_needs_a_reserve_of_the_processor(runs: str) -> None:
    given = DATABASE | {"ExpressConcurrency": runs, "ProcessorConcurrency": ""}
    with pytest.raises(SettingsInvalid, match="ExpressConcurrency needs ProcessorConcurrency - without it"):
        require(TEMPLATE, given, region="us-east-1")
    require(TEMPLATE, given | {"ProcessorConcurrency": "1"}, region="us-east-1")
    require(TEMPLATE, given | {"ExpressConcurrency": "0"}, region="us-east-1")


@pytest.mark.parametrize("old_queue", ["", "arn:aws:sqs:eu-west-1:123456789012:pilot-messages"])
@pytest.mark.parametrize("mode", ["topic", "topic-and-queue", "queue"])
@pytest.mark.parametrize("at_once", TEMPLATE["Parameters"]["QueueConcurrency"]["AllowedValues"])
def test_the_queues_take_fewer_runs_than_the_processors_reserve(
    mode: str, at_once: int, old_queue: str
) -> None:
    """All that may be given: 100 is the most that a queue may take."""
    taken = at_once + 2 if mode != "topic" and old_queue else at_once
    for reserve in ("", *map(str, range(1, 121)), "1000", "9999"):
        given = DATABASE | {
            "Delivery": mode,
            "QueueConcurrency": str(at_once),
            "ProcessorConcurrency": reserve,
            "OldQueueArn": old_queue,
        }
        found = broken(TEMPLATE, given)
        is_enough = (mode == "topic" and not old_queue) or (reserve != "" and int(reserve) > taken)
        assert (found == []) is is_enough, (given, found)
        assert len(found) <= 1
