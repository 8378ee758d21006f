"""The express lane's checks: both functions are asked, and of a stack without the lane nothing more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from b2bpilot.aws.function_settings import EventInvoke
from b2bpilot.aws.metrics import Metric, Point
from b2bpilot.aws.subscriptions import Subscription
from b2bpilot.ops.verify.check import CheckResult, Status
from b2bpilot.ops.verify.measured import OF_PROCESSOR, event_age, of_function
from tests.breaking import breaks
from tests.ops.verify.deployments import NOW, STACK, WITH_LANE, deployment, look, seen
from tests.ops.verify.settings import function

PROCESSOR, EXPRESS, ARN = (
    WITH_LANE.processor_function_name,
    WITH_LANE.express_function_name,
    WITH_LANE.express_subscription_arn,
)
HELD = EventInvoke(retries=2, age_seconds=21600, on_failure=None, on_success=None)
URGENT = '{"priority": ["high"]}'
NOTHING_LOST = "the processor has every message, and the stale message processor takes up what a run left"


def known(**express: Any) -> dict[Any, Any]:
    """A healthy stack with the lane; `express` changes how its function is set up, None takes it away."""
    settings = {"timeout_seconds": 300, "role_arn": "arn:aws:iam::123456789012:role/processor"}
    return {
        "stack": WITH_LANE,
        ("function", PROCESSOR): function(PROCESSOR, **settings),
        ("function", EXPRESS): function(EXPRESS, **(settings | express)),
        ("reserve", PROCESSOR): 10,
        ("reserve", EXPRESS): 3,
        ("event invoke", PROCESSOR): HELD,
        ("event invoke", EXPRESS): HELD,
        "last day": dict.fromkeys(measured(), ()),
    }


def measured() -> list[Metric]:
    return [
        metric
        for name in (PROCESSOR, EXPRESS)
        for metric in (event_age(name), *(of_function(name, each) for each in OF_PROCESSOR))
    ]


def red(found: dict[str, CheckResult]) -> dict[str, CheckResult]:
    return {code: one for code, one in found.items() if one.status is not Status.OK}


SET_UP = ["B2B042", "B2B045", "B2B046", "B2B047", "B2B048", "B2B049", "B2B050", "B2B193"]
COUNTED = ["B2B055", "B2B056", "B2B057", "B2B058", "B2B059"]


def test_a_lane_that_is_as_deployed_is_all_right() -> None:
    assert red(look([*SET_UP, *COUNTED], deployment(known=known()))) == {}


@pytest.mark.parametrize(
    ("code", "change", "told", "fixed_by"),
    [
        (
            "B2B042",
            {("function", EXPRESS): function(EXPRESS, dead_letter_arn=None)},
            "the express processor has no dead-letter queue: what it fails on is dropped",
            f"--function-name {EXPRESS} --dead-letter-config TargetArn={STACK.dead_letter_queue_arn}",
        ),
        (
            "B2B045",
            {("function", EXPRESS): function(EXPRESS, timeout_seconds=3)},
            f"{EXPRESS} has a timeout of 3 s instead of 300 s",
            f"--function-name {EXPRESS} --timeout 300",
        ),
        (
            "B2B046",
            {("reserve", EXPRESS): 0},
            "the express processor's reserved concurrency is 0: Lambda runs nothing and makes every message a dead letter",
            f"--function-name {EXPRESS} --reserved-concurrent-executions 3",
        ),
        (
            "B2B047",
            {("reserve", EXPRESS): None},
            "nothing is reserved for the express processor; the stack says 3",
            f"--function-name {EXPRESS} --reserved-concurrent-executions 3",
        ),
        (
            "B2B048",
            {("event invoke", EXPRESS): replace(HELD, retries=0)},
            "express: Lambda runs a failed message again 0 times instead of 2",
            f"--function-name {EXPRESS} --maximum-retry-attempts 2",
        ),
        (
            "B2B050",
            {("event invoke", EXPRESS): replace(HELD, on_failure="arn:aws:sqs:eu-west-1:1:other")},
            "express: what failed goes to arn:aws:sqs:eu-west-1:1:other as well",
            f"--function-name {EXPRESS} ",
        ),
    ],
)
def test_what_is_wrong_with_the_express_one_alone_is_a_warning_and_its_own_command(
    code: str, change: dict[Any, Any], told: str, fixed_by: str
) -> None:
    found = seen(code, deployment(known=known() | change))

    assert (found.status, found.seen) == (Status.WARNING, f"{told}; {NOTHING_LOST}")
    assert fixed_by in str(found.fix)
    assert PROCESSOR not in str(found.fix)


def test_what_is_wrong_with_both_is_told_of_both() -> None:
    wrong = {("reserve", PROCESSOR): 0, ("reserve", EXPRESS): 0}

    found = seen("B2B046", deployment(known=known() | wrong))

    assert found.status is Status.FAILED
    assert "the processor's reserved" in found.seen
    assert "the express processor's reserved" in found.seen
    assert [name in str(found.fix) for name in (PROCESSOR, EXPRESS)] == [True, True]


def test_an_express_processor_with_another_secret_is_fatal_as_it_would_answer_twice() -> None:
    elsewhere = function(EXPRESS, environment={"DATABASE_SECRET_ARN": "arn:another"})

    found = seen("B2B051", deployment(known=known() | {("function", EXPRESS): elsewhere}))

    assert found.status is Status.FAILED
    assert found.seen.startswith(f"in {EXPRESS}, DATABASE_SECRET_ARN is arn:another")


@breaks("B2B193")
def test_an_express_processor_that_was_deleted_by_hand_is_told_and_the_processor_is_still_looked_at() -> None:
    found = look(SET_UP, deployment(known=known() | {("function", EXPRESS): None}))

    assert red(found).keys() == {"B2B193"}
    assert found["B2B193"].status is Status.WARNING
    assert NOTHING_LOST in found["B2B193"].seen


@pytest.mark.parametrize(
    ("code", "metric", "told"),
    [
        (
            "B2B055",
            "AsyncEventsDropped",
            "Lambda gave up 2 messages of the express processor in the last day",
        ),
        (
            "B2B056",
            "DeadLetterErrors",
            "2 dead letters of the express processor of the last day not written, and lost",
        ),
        ("B2B057", "Errors", "2 of 0 runs of the express processor failed in the last day"),
        ("B2B058", "Throttles", "the express processor was throttled 2 times in the last day"),
    ],
)
def test_what_cloudwatch_counted_of_the_express_one_is_told_as_its_own(
    code: str, metric: str, told: str
) -> None:
    counted = known()
    counted["last day"][of_function(EXPRESS, metric)] = [Point(at=NOW, value=2.0)]

    found = seen(code, deployment(known=counted))

    assert (found.status, found.seen) == (Status.WARNING, f"{told}; {NOTHING_LOST}")
    if code == "B2B057":
        assert "logs express" in str(found.fix)


def subscription(**changes: Any) -> Subscription:
    of_express: dict[str, Any] = {
        "arn": ARN,
        "topic_arn": STACK.topic_arn,
        "protocol": "lambda",
        "endpoint": f"arn:aws:lambda:eu-west-1:123456789012:function:{EXPRESS}",
        "owner": "123456789012",
        "confirmed": True,
        "raw_delivery": False,
        "filter_policy": URGENT,
        "filter_policy_scope": "MessageAttributes",
        "redrive_policy": f'{{"deadLetterTargetArn": "{STACK.dead_letter_queue_arn}"}}',
    }
    return Subscription(**(of_express | changes))


@breaks("B2B194")
@pytest.mark.parametrize(
    ("changes", "told", "fixed_by"),
    [
        (None, "the express processor is not subscribed", ""),
        ({"filter_policy": None}, f"its filter policy is none instead of {URGENT}", "FilterPolicy"),
        ({"filter_policy": '{"priority": ["low"]}'}, "its filter policy is", URGENT),
        ({"filter_policy_scope": "MessageBody"}, "compared with MessageBody", "FilterPolicyScope"),
        ({"redrive_policy": None}, "its subscription has no redrive policy", "RedrivePolicy"),
    ],
)
def test_a_subscription_of_the_lane_that_was_changed_is_told_and_that_nothing_is_lost(
    changes: dict[str, Any] | None, told: str, fixed_by: str
) -> None:
    subscribed = [] if changes is None else [subscription(**changes)]

    found = seen("B2B194", deployment(known={"stack": WITH_LANE, "subscriptions": subscribed}))

    assert found.status is Status.WARNING
    assert told in found.seen
    assert NOTHING_LOST in found.seen
    assert fixed_by in (found.fix or "")


def test_a_subscription_of_the_lane_as_deployed_is_all_right() -> None:
    at = deployment(known={"stack": WITH_LANE, "subscriptions": [subscription()]})
    assert seen("B2B194", at).status is Status.OK


def test_of_a_stack_without_the_lane_nothing_of_it_is_asked() -> None:
    """Whatever a probe asked of it would be a call to an AWS that is not there."""
    alone = {key: answer for key, answer in known().items() if EXPRESS not in key} | {"stack": STACK}
    alone["last day"] = {
        metric: () for metric in measured() if metric.dimensions["FunctionName"] == PROCESSOR
    }

    found = look([*SET_UP, *COUNTED, "B2B194"], deployment(known=alone))

    assert red(found) == {}
    assert [one.seen for one in found.values() if "express" in one.seen] == ["there is no express lane"] * 2
