"""Checks of the category `processor`: how the function is set up. How it is called: asynchronous.py."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from b2bpilot.aws.function_settings import FunctionSettings
from b2bpilot.aws.policies import function_policy
from b2bpilot.ops.subscribers.admission import admits
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds, unanswered
from b2bpilot.ops.verify.checks.processor.lanes import called, express_is_ready, of_both
from b2bpilot.ops.verify.commands import aws
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.functions import (
    READ,
    SIMULATE,
    Grant,
    Reads,
    existing,
    found,
    has_timeout,
    is_allowed,
    is_ready,
    is_told,
)
from b2bpilot.ops.verify.runtimes import DEPRECATED
from b2bpilot.ops.verify.shared import shared

TIMEOUT_SECONDS = 300
ADD_PERMISSION = (
    "aws lambda add-permission --function-name {processor_function_name} --statement-id b2bpilot-sns "
    "--action lambda:InvokeFunction --principal sns.amazonaws.com --source-arn {topic_arn}"
)
SET_QUEUE = (
    "aws lambda update-function-configuration --function-name {processor_function_name} "
    "--dead-letter-config TargetArn={dead_letter_queue_arn}"
)
SET_TIMEOUT = (
    "aws lambda update-function-configuration --function-name {processor_function_name} "
    f"--timeout {TIMEOUT_SECONDS}"
)
NOTICE = timedelta(days=180)
"""Long enough to test and deploy another runtime."""


def _ready(deployment: Deployment) -> Answer:
    return is_ready(deployment, deployment.stack.processor_function_name)


def _callable(deployment: Deployment, name: str) -> Answer:
    function, topic_arn, action = (
        existing(deployment, name),
        deployment.stack.topic_arn,
        "lambda:InvokeFunction",
    )
    policy = function_policy(shared(deployment), function.arn)
    match admits(policy.text, action=action, topic_arn=topic_arn):
        case True:
            return holds(f"SNS for {topic_arn}")
        case None:
            return unanswered("the function's policy uses what this version does not know")
    return fails(
        f"{called(deployment, name)}'s policy does not let SNS call it from this topic",
        fix=aws(
            "lambda", "add-permission", "--function-name", function.name, "--action", action,
            "--statement-id", f"b2bpilot-sns-{deployment.now:%Y%m%d%H%M%S}",
            "--principal", "sns.amazonaws.com", "--source-arn", topic_arn,
        ),
    )  # fmt: skip


def _has_queue(deployment: Deployment, name: str) -> Answer:
    queue, target = deployment.stack.dead_letter_queue_arn, existing(deployment, name).dead_letter_arn
    if target == queue:
        return holds(queue)
    who = called(deployment, name)
    return fails(
        f"what {who} fails on goes to {target}"
        if target
        else f"{who} has no dead-letter queue: what it fails on is dropped"
    )


def _may_write_dead_letters(deployment: Deployment, name: str) -> Answer:
    grants = [Grant(action="sqs:SendMessage", resource=deployment.stack.dead_letter_queue_arn)]
    return is_allowed(deployment, existing(deployment, name).role_arn, grants, policy="b2bpilot-dead-letters")


def _reads(function: FunctionSettings) -> Reads:
    """Without a reply to send it needs nothing of Twilio's."""
    return Reads(database=True, twilio=bool(function.environment.get("REPLY_TEXT")))


def _may_read_secrets(deployment: Deployment, name: str) -> Answer:
    function = existing(deployment, name)
    grants = _reads(function).grants(deployment.stack)
    return is_allowed(deployment, function.role_arn, grants, policy="b2bpilot-secret")


def _told(deployment: Deployment, name: str) -> Answer:
    function = existing(deployment, name)
    return is_told(function, _reads(function).variables(deployment.stack))


def _has_timeout(deployment: Deployment, name: str) -> Answer:
    return has_timeout(existing(deployment, name), TIMEOUT_SECONDS)


def _runtimes(deployment: Deployment) -> Answer:
    """Of all functions: they are built and deployed together."""
    stack = deployment.stack
    names = (
        stack.webhook_function_name,
        *stack.processors,
        stack.stale_function_name,
        stack.redriver_function_name,
    )
    used = sorted({settings.runtime for name in names if (settings := found(deployment, name))})
    if unknown := [runtime for runtime in used if runtime not in DEPRECATED]:
        return unanswered(f"this version does not know until when AWS supports {', '.join(unknown)}")
    told = ", ".join(f"{runtime} until {DEPRECATED[runtime]:%Y-%m-%d}" for runtime in used)
    if all(deployment.now.date() + NOTICE <= DEPRECATED[runtime] for runtime in used):
        return holds(told)
    return fails(f"AWS supports {told}: deploy a release with a newer runtime")


check = partial(Check, category=Category.PROCESSOR, actions=READ, needs=("B2B040",))

CHECKS = (
    check(
        code="B2B040",
        statement="the processor is there and ready",
        why="Without it every message becomes a dead letter.",
        probe=_ready,
        needs=("B2B010",),
    ),
    check(
        code="B2B041",
        statement="SNS may call the processor from this topic",
        why="SNS does not try again: the message goes to the dead-letter queue at once.",
        fix=ADD_PERMISSION,
        probe=of_both(_callable),
        actions=(*READ, "lambda:GetPolicy"),
    ),
    check(
        code="B2B042",
        statement="what the processor fails on goes to the dead-letter queue",
        why="Without one Lambda drops the message after its third run.",
        fix=SET_QUEUE,
        probe=of_both(_has_queue, SET_QUEUE),
    ),
    check(
        code="B2B043",
        statement="the processor's role may write to the dead-letter queue",
        why="Lambda writes dead letters as that role, and drops what it may not write.",
        probe=of_both(_may_write_dead_letters),
        actions=SIMULATE,
    ),
    check(
        code="B2B044",
        statement="the processor's role may read its secrets",
        why="It finds the database there, and the token that it replies with.",
        probe=of_both(_may_read_secrets),
        actions=SIMULATE,
    ),
    check(
        code="B2B045",
        statement=f"the processor has a timeout of {TIMEOUT_SECONDS} s",
        why="Less kills runs that wait for the database; more outlives the time after which a message counts as stale.",
        fix=SET_TIMEOUT,
        probe=of_both(_has_timeout, SET_TIMEOUT),
    ),
    check(
        code="B2B051",
        statement="the processor has this stack's secrets",
        why="With others it writes to another database, or replies from another account.",
        probe=of_both(_told, is_fatal=True),
    ),
    check(
        code="B2B052",
        statement="AWS supports the functions' runtime for half a year at least",
        why="After that it gets no security patches, and later the functions cannot be updated.",
        probe=_runtimes,
        severity=Severity.WARNING,
    ),
    check(
        code="B2B193",
        statement="the express processor is there and ready, where the stack has one",
        why="Without it messages of high priority wait behind all others; the processor has every message, so none is lost.",
        probe=express_is_ready,
        severity=Severity.WARNING,
        needs=("B2B010",),
    ),
)
