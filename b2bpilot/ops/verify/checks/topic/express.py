"""Checks of the category `topic`: the express lane's subscription, beside the processor's."""

from __future__ import annotations

import json

from b2bpilot.aws.subscriptions import Subscription
from b2bpilot.ops.subscribers.health import is_express_s
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds
from b2bpilot.ops.verify.checks.processor.lanes import NO_LANE, NOTHING_IS_LOST
from b2bpilot.ops.verify.commands import document, one_after_another, set_subscription
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.subscribers import OWNERS, all_of, readable

URGENT = {"priority": ["high"]}
SCOPE = "MessageAttributes"


def _gets_what_is_urgent(deployment: Deployment) -> Answer:
    stack = deployment.stack
    if not stack.express_function_name:
        return holds(NO_LANE)
    found = [one for one in all_of(deployment) if is_express_s(one, stack)]
    if not found:
        return fails(
            f"the express processor is not subscribed: {NOTHING_IS_LOST}, and urgent ones wait as all do",
            fix="",
        )
    wrong = [each for one in found for each in _wrong(readable(one), stack.dead_letter_queue_arn)]
    if not wrong:
        return holds(f"{found[0].endpoint}, what has high priority")
    told = "; ".join(text for text, _ in wrong)
    return fails(f"{told}; {NOTHING_IS_LOST}", fix=one_after_another(fix for _, fix in wrong))


def _wrong(one: Subscription, queue: str) -> list[tuple[str, str]]:
    """What is not as the template has it, each with its command."""
    target = one.redrive_target_arn
    found = [
        (
            one.filter_policy_scope != SCOPE,
            f"its filter policy is compared with {one.filter_policy_scope}",
            ("FilterPolicyScope", SCOPE),
        ),
        (
            _policy(one) != URGENT,
            f"its filter policy is {one.filter_policy or 'none'} instead of {document(URGENT)}",
            ("FilterPolicy", document(URGENT)),
        ),
        (
            target != queue,
            f"what SNS cannot deliver to the express processor goes to {target}"
            if target
            else "its subscription has no redrive policy",
            ("RedrivePolicy", document({"deadLetterTargetArn": queue})),
        ),
    ]
    return [(text, set_subscription(one.arn, *fix)) for is_wrong, text, fix in found if is_wrong]


def _policy(one: Subscription) -> object:
    try:
        return json.loads(one.filter_policy or "{}")
    except ValueError:
        return None


CHECKS = (
    Check(
        code="B2B194",
        category=Category.TOPIC,
        statement="the express lane gets the messages of high priority, where there is one",
        why="With another filter policy urgent messages wait as all do, or every message has a second run.",
        fix="aws sns set-subscription-attributes --subscription-arn {express_subscription_arn} "
        """--attribute-name FilterPolicy --attribute-value '{{"priority": ["high"]}}'""",
        probe=_gets_what_is_urgent,
        severity=Severity.WARNING,
        actions=OWNERS,
        needs=("B2B030",),
    ),
)
