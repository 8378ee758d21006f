"""Checks of the category `topic`: the processor's subscription and others. What SNS counted: deliveries.py."""

from __future__ import annotations

from functools import partial

from b2bpilot.aws.modes import BY_QUEUE, BY_TOPIC, PROTOCOLS
from b2bpilot.aws.subscriptions import Subscription
from b2bpilot.ops.subscribers.coverage import Coverage, coverage
from b2bpilot.ops.subscribers.health import confirms_itself, processors
from b2bpilot.ops.verify.check import Answer, Category, Check, fails, holds, unanswered, warns
from b2bpilot.ops.verify.commands import document, set_subscription
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.subscribers import OWNERS, all_of, asked_of, of_others, readable

SUBSCRIBE = (
    "aws sns subscribe --topic-arn {topic_arn} --protocol lambda --notification-endpoint "
    "arn:{partition}:lambda:{region}:{account_id}:function:{processor_function_name} "
    """--attributes '{{"RedrivePolicy": "{{\\"deadLetterTargetArn\\": \\"{dead_letter_queue_arn}\\"}}"}}'"""
)


def _processors(deployment: Deployment) -> list[Subscription]:
    return processors(all_of(deployment), deployment.stack)


def _readable(deployment: Deployment) -> list[Subscription]:
    """The processor's subscriptions; raises what kept their attributes from being read."""
    return [readable(one) for one in _processors(deployment)]


def _subscribed(deployment: Deployment) -> Answer:
    found = [one for one in all_of(deployment) if one.protocol == "lambda"]
    if deployment.stack.delivery == BY_QUEUE:
        found = _processors(deployment)
    if found:
        return holds(", ".join(one.endpoint for one in found))
    others = f", only {_counted(len(all_of(deployment)), 'other subscription')}" if all_of(deployment) else ""
    return fails(f"no function is subscribed{others}", fix=SUBSCRIBE)


def _subscribed_once(deployment: Deployment) -> Answer:
    found = _processors(deployment)
    if sorted(one.protocol for one in found) == sorted(PROTOCOLS.get(deployment.stack.delivery, ())):
        return holds(", ".join(one.endpoint for one in found))
    if found:
        mode = deployment.stack.delivery
        told = "" if mode == BY_TOPIC else f", and Delivery is {mode}"
        return fails(
            f"the processor is subscribed {_counted(len(found), 'time')}{told}: {', '.join(one.arn for one in found)}",
            fix="",
        )
    functions = [one.endpoint for one in all_of(deployment) if one.protocol == "lambda"]
    return fails(f"the processor is not subscribed, but {', '.join(functions)}", fix=SUBSCRIBE)


def _confirmed(deployment: Deployment) -> Answer:
    found = asked_of(deployment)
    if pending := [one for one in found if one.confirmed is False]:
        told = ", ".join(f"{one.protocol} {_short(one.endpoint)}" for one in pending)
        return of_others(
            deployment,
            fails(f"{told}: nobody confirmed it; its endpoint has to, within two days", may_change=True),
            is_ours=bool(processors(pending, deployment.stack)),
        )
    if silent := [one for one in found if one.confirmed is None and not confirms_itself(one)]:
        for one in silent:
            readable(one)
        return unanswered(f"SNS does not say it of {', '.join(one.protocol for one in silent)}")
    return holds(_counted(len(found), "subscription"))


def _short(endpoint: str) -> str:
    """Without what may be a secret or a person: the query of a URL, a mail address, a number."""
    return endpoint.partition("?")[0] if "://" in endpoint and "@" not in endpoint else "endpoint"


def coverages(deployment: Deployment) -> list[tuple[Subscription, Coverage]]:
    """What the processor's subscriptions let through; raises what kept their attributes from being read."""
    return [(one, coverage(one.filter_policy, one.filter_policy_scope)) for one in _readable(deployment)]


def _unfiltered(deployment: Deployment) -> Answer:
    found = coverages(deployment)
    for one, covered in found:
        if loss := covered.loss():
            return fails(
                f"the processor's filter policy {loss}", fix=set_subscription(one.arn, "FilterPolicy", "{}")
            )
    for one, covered in found:
        if doubts := list(covered.doubts()):
            return warns(
                f"the processor's filter policy {'; it '.join(doubts)}",
                fix=set_subscription(one.arn, "FilterPolicy", "{}"),
            )
    if any(one.filter_policy for one, _ in found):
        return holds(f"each of {found[0][1].tried} kinds of message passes its policy")
    return holds("it has no filter policy")


def _redriven(deployment: Deployment) -> Answer:
    queue = deployment.stack.dead_letter_queue_arn
    wrong = [one for one in _readable(deployment) if one.redrive_target_arn != queue]
    if not wrong:
        return holds(queue)
    target = wrong[0].redrive_target_arn
    fix = set_subscription(wrong[0].arn, "RedrivePolicy", document({"deadLetterTargetArn": queue}))
    return fails(
        f"what SNS cannot deliver goes to {target}"
        if target
        else "the processor's subscription has no redrive policy",
        fix=fix,
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


check = partial(Check, category=Category.TOPIC, actions=OWNERS, needs=("B2B030",))

CHECKS = (
    check(
        code="B2B033",
        statement="a function is subscribed to the topic",
        why="SNS keeps nothing: what is published without a subscription is gone.",
        fix=SUBSCRIBE,
        probe=_subscribed,
    ),
    check(
        code="B2B034",
        statement="the processor is subscribed, once for each way of Delivery",
        why="Another function does not store the messages; a second subscription runs each of them twice.",
        fix=SUBSCRIBE,
        probe=_subscribed_once,
        needs=("B2B033",),
    ),
    check(
        code="B2B035",
        statement="every subscription is confirmed",
        why="SNS delivers nothing to one that is not.",
        probe=_confirmed,
    ),
    check(
        code="B2B036",
        statement="the processor's filter policy lets every kind of our messages through",
        why="SNS answers the publisher with success and drops what the policy rejects.",
        fix="aws sns set-subscription-attributes --subscription-arn {subscription_arn} "
        "--attribute-name FilterPolicy --attribute-value '{{}}'",
        probe=_unfiltered,
        needs=("B2B034",),
    ),
    check(
        code="B2B037",
        statement="what SNS cannot deliver goes to the dead-letter queue",
        why="Without a redrive policy a message is lost when the function or its permission is missing.",
        fix="aws sns set-subscription-attributes --subscription-arn {subscription_arn} --attribute-name RedrivePolicy "
        """--attribute-value '{{"deadLetterTargetArn": "{dead_letter_queue_arn}"}}'""",
        probe=_redriven,
        needs=("B2B034",),
    ),
)
