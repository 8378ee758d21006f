"""Checks of the category `subscribers`: which messages each is given, and in which form."""

from __future__ import annotations

from functools import partial

from b2bpilot.aws.subscriptions import Subscription
from b2bpilot.ops.subscribers.coverage import takes_tests
from b2bpilot.ops.subscribers.discovery import Subscriber
from b2bpilot.ops.subscribers.filter_limits import filter_problems
from b2bpilot.ops.subscribers.filter_policy import BODY_SCOPE
from b2bpilot.ops.subscribers.kinds import most_attributes
from b2bpilot.ops.subscribers.new_filter import DEFAULT as WITHOUT_TESTS
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds
from b2bpilot.ops.verify.commands import set_subscription
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.subscribers import READ, of_each, readable
from b2bpilot.pipeline.dead_letter import MOST_ATTRIBUTES

WITHOUT_TESTS_IN_BODY = '{"test": [false]}'
TRACING = 2
"""So many a tracer may add."""


def _filters(_: Deployment, one: Subscriber) -> Answer:
    subscription = readable(one.subscription)
    if subscription.filter_policy is None:
        return holds("no filter policy: every message, tests too")
    problems = filter_problems(subscription)
    if not problems:
        return holds(f"filter policy {subscription.filter_policy}{_tests(subscription)}")
    return fails(
        f"filter policy {subscription.filter_policy}: {'; '.join(problems)}", fix=_usual(subscription)
    )


def _tests(subscription: Subscription) -> str:
    match takes_tests(subscription.filter_policy, subscription.filter_policy_scope):
        case True:
            return ": test messages pass, too"
        case False:
            return ": no test message passes"
    return ""


def _usual(subscription: Subscription) -> str:
    policy = WITHOUT_TESTS_IN_BODY if subscription.filter_policy_scope == BODY_SCOPE else WITHOUT_TESTS
    return set_subscription(subscription.arn, "FilterPolicy", policy)


def _raw(_: Deployment, one: Subscriber) -> Answer | None:
    """Of what SNS delivers otherwise than to a queue, it discards nothing for its attributes."""
    subscription, most = readable(one.subscription), most_attributes()
    if subscription.protocol != "sqs":
        return None
    if not subscription.raw_delivery:
        return holds("in SNS's envelope, with any number of attributes")
    left = MOST_ATTRIBUTES - most
    if left >= TRACING:
        return holds(f"raw: a message has {most} attributes at most, and SNS takes {MOST_ATTRIBUTES}")
    return fails(
        f"raw: a message has up to {most} attributes, which leaves {max(left, 0)} of {MOST_ATTRIBUTES} to tracers, who add {TRACING}",
        fix=set_subscription(subscription.arn, "RawMessageDelivery", "false"),
    )


check = partial(
    Check, category=Category.SUBSCRIBERS, severity=Severity.WARNING, needs=("B2B030",), actions=READ
)

CHECKS = (
    check(
        code="B2B182",
        statement="each subscriber's filter policy is within SNS's limits and lets something through",
        why="A policy that nothing passes is no error to SNS: the subscriber gets nothing, and nobody is told.",
        probe=of_each(_filters),
    ),
    check(
        code="B2B183",
        statement="a raw delivery has room for every attribute",
        why=f"SNS discards a raw delivery to a queue with more than {MOST_ATTRIBUTES} attributes, and tracers add {TRACING}.",
        probe=of_each(_raw),
    ),
)
