"""The express lane's subscription is the stack's own, and no way that every message takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from b2bpilot.aws.subscriptions import Subscription
from b2bpilot.errors import UsageError
from b2bpilot.ops.recipient import EXPRESS
from b2bpilot.ops.subscribers.discovery import Subscriber, SubscriberKind, recipient_of
from b2bpilot.ops.subscribers.health import Permission, PermissionReading, others, processors, report
from b2bpilot.ops.subscribers.names import require_name
from b2bpilot.ops.subscribers.naming import names_among, one_of, others_named
from b2bpilot.ops.subscribers.who_gets_what import who_gets_what
from b2bpilot.ops.verify.check import Status
from tests.ops.subscribers.test_reach import ENVIRONMENT, PROCESSOR, subscribed
from tests.ops.verify.deployments import deployment, look

STACK = replace(ENVIRONMENT.stack, express_function_name="b2b-pilot-express-processor-prod")
WITH_LANE = replace(ENVIRONMENT, stack=STACK)
LANE = subscribed(STACK.express_function_arn, policy={"priority": ["high"]})
GRANTED = PermissionReading(permission=Permission.GRANTED)


def test_it_has_a_name_of_its_own_and_is_nobody_elses() -> None:
    theirs = subscribed("arn:aws:lambda:eu-west-1:123456789012:function:express-b2b-pilot-prod")
    found = [subscribed(PROCESSOR), LANE, theirs]

    assert names_among(found, WITH_LANE) == ["processor", "express", "express-b2b-pilot-prod"]
    assert [name for name, _ in others_named(found, WITH_LANE)] == ["express-b2b-pilot-prod"]
    assert (others(found, STACK), processors(found, STACK)) == ([theirs], [found[0]])
    assert one_of(WITH_LANE, found, "express") is LANE
    assert names_among([theirs], ENVIRONMENT) == ["express"]
    with pytest.raises(UsageError, match="b2bpilot's own"):
        require_name(EXPRESS)


def test_its_dead_letters_are_the_processors() -> None:
    one = Subscriber(name=EXPRESS, kind=SubscriberKind.FUNCTION, subscription=LANE, is_express=True)
    assert recipient_of(WITH_LANE, one).is_processor


def judged(**changes: Any) -> list[str]:
    found = report(replace(LANE, **changes), STACK, endpoint=GRANTED, redrive=GRANTED)
    return [one.text for one in (*found.problems, *found.remarks)]


def test_its_filter_is_as_it_should_be_and_without_a_redrive_policy_nothing_is_lost() -> None:
    assert judged(redrive_policy=f'{{"deadLetterTargetArn": "{STACK.dead_letter_queue_arn}"}}') == []
    assert judged() == ["it has no redrive policy: what SNS cannot deliver to it, only the processor gets"]


def test_it_gets_only_what_is_urgent() -> None:
    found = who_gets_what(WITH_LANE, [subscribed(PROCESSOR), LANE])
    assert (found.names, found.missed) == (("processor", "express"), [])
    assert {kind.priority for kind, answers in found.answers.items() if answers[1]} == {"high"}


@pytest.mark.parametrize("found", [[LANE], [LANE, subscribed(PROCESSOR)]])
def test_verify_still_misses_the_processor(found: list[Subscription]) -> None:
    known = {"stack": STACK, "subscriptions": found}
    results = look(["B2B033", "B2B034"], deployment(name="prod", known=known))
    is_there = len(found) > 1
    assert results["B2B034"].status is (Status.OK if is_there else Status.FAILED)
    assert is_there or "the processor is not subscribed, but" in results["B2B034"].seen
