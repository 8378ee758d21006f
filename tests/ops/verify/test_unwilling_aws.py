"""An AWS call that hangs, is throttled, denied or answered with rubbish neither holds a look up nor ends it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from b2bpilot.aws.function_settings import FunctionSettings
from b2bpilot.aws.queue_attributes import QueueAttributes
from b2bpilot.aws.session import AwsAccess
from b2bpilot.aws.topic_attributes import TopicAttributes
from b2bpilot.ops.verify.catalogue import CHECKS
from b2bpilot.ops.verify.check import Category, Check, CheckResult, Status
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.runner import Runner
from tests.ops.verify.deployments import NOW, WITH_LANE
from tests.ops.verify.settings import QUEUE, TOPIC, function
from tests.ops.verify.unwilling_aws import BROKEN, DENIED, THROTTLED, endpoint

OF_AWS = (
    Category.WEBHOOK,
    Category.TOPIC,
    Category.PROCESSOR,
    Category.DEAD_LETTERS,
    Category.STALE,
    Category.ALARMS,
    Category.SUBSCRIBERS,
)
DRAINING = replace(
    WITH_LANE,
    old_queue_arn="arn:aws:sqs:eu-west-1:123456789012:pilot-messages",
    old_queue_mapping_id="5d1f0c7e",
)
POST = "B2B023"
"""Asks the webhook, not AWS."""

ALONE = tuple(
    replace(check, needs=(), unless_failed=())
    for check in CHECKS
    if check.category in OF_AWS and check.code != POST
)
"""Each is run whatever became of what it needs."""

FIRST = tuple(check for check in ALONE if check.code in ("B2B046", "B2B062", "B2B065"))
"""Checks with a command of their own."""


def looked(
    url: str, checks: tuple[Check, ...] = ALONE, *, known: bool = False, seconds: float = 30
) -> list[CheckResult]:
    """With `known` the functions, the topic and the queue are: what is asked besides is what is refused."""
    access = AwsAccess(region="eu-west-1", endpoint_url=url, access_key_id="a", secret_access_key="b")
    deployment = Deployment(name="staging", access=access, now=NOW)
    deployment.ask("stack", lambda: DRAINING)
    if known:
        _tell(deployment)
    return list(Runner(checks, check_seconds=seconds).run(deployment))


def _tell(deployment: Deployment) -> None:
    for name in (
        WITH_LANE.webhook_function_name,
        *WITH_LANE.processors,
        WITH_LANE.stale_function_name,
    ):
        settings: FunctionSettings = function(name)
        deployment.ask(("function", name), lambda settings=settings: settings)
    topic: TopicAttributes = TOPIC
    queue: QueueAttributes = QUEUE
    deployment.ask("topic", lambda: topic)
    deployment.ask("queue", lambda: queue)


def test_a_source_that_hangs_costs_each_check_its_time_and_no_more() -> None:
    with endpoint(None) as url:
        results = looked(url, seconds=0.2)
    assert {result.status for result in results} <= {Status.FAILED, Status.WARNING}
    assert {result.seen for result in results} == {"no answer within 0.2 s"}
    assert all(result.may_change for result in results)


def test_with_what_they_need_only_the_first_checks_wait_for_a_source_that_hangs() -> None:
    with endpoint(None) as url:
        results = looked(url, tuple(check for check in CHECKS if check.category in OF_AWS), seconds=0.2)
    waited = {result.check.code for result in results if result.status is not Status.SKIPPED}
    assert {"B2B020", "B2B030", "B2B040", "B2B060", "B2B070"} <= waited
    assert len(waited) < len(results) / 2


def test_a_throttled_check_says_so_and_may_become_true() -> None:
    with endpoint(THROTTLED) as url:
        results = looked(url)
    for result in results:
        assert result.status in (Status.FAILED, Status.WARNING), result
        assert "throttled" in result.seen, result
        assert result.may_change


@pytest.mark.parametrize("known", [False, True])
def test_a_denied_check_is_skipped_and_names_an_action_that_it_declares(known: bool) -> None:
    with endpoint(DENIED) as url:
        results = looked(url, known=known)
    asked = [result for result in results if "may not" in result.seen and result.status is Status.SKIPPED]
    assert len(asked) > len(results) / 2
    for result in asked:
        action = result.seen.partition("may not ")[2].split()[0].rstrip(",:")
        assert action in result.check.actions, result
    if not known:
        assert len(asked) == len(results)


def test_an_answer_that_nobody_understands_is_one_line() -> None:
    with endpoint(BROKEN) as url:
        results = looked(url)
    for result in results:
        assert result.status in (Status.FAILED, Status.WARNING), result
        assert "itself broke" not in result.seen
        assert "\n" not in result.seen


@pytest.mark.parametrize("error", [None, THROTTLED, BROKEN])
def test_where_nothing_was_seen_no_command_fixes_it(error: str | None) -> None:
    with endpoint(error) as url:
        results = looked(url, FIRST, seconds=0.2 if error is None else 30)
    assert [result.fix for result in results] == [None] * len(FIRST)
