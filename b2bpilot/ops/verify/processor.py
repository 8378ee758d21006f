"""Checks of the category `processor`: how the function is set up. How it is called: asynchronous.py."""

from __future__ import annotations

from datetime import timedelta

from b2bpilot.aws.function_settings import FunctionSettings
from b2bpilot.aws.policies import function_policy
from b2bpilot.ops.subscriptions.admission import admits
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds, unanswered
from b2bpilot.ops.verify.commands import aws
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
from b2bpilot.ops.verify.world import World

TIMEOUT_SECONDS = 300
NOTICE = timedelta(days=180)
"""Long enough to test and deploy another runtime."""


def _function(world: World) -> FunctionSettings:
    return existing(world, world.stack.processor_function_name)


def _ready(world: World) -> Answer:
    return is_ready(world, world.stack.processor_function_name)


def _callable(world: World) -> Answer:
    function, topic_arn, action = _function(world), world.stack.topic_arn, "lambda:InvokeFunction"
    policy = function_policy(shared(world), function.arn)
    match admits(policy.text, action=action, topic_arn=topic_arn):
        case True:
            return holds(f"SNS for {topic_arn}")
        case None:
            return unanswered("the function's policy uses what this version does not know")
    return fails(
        "the function's policy does not let SNS call it from this topic",
        mend=aws(
            "lambda", "add-permission", "--function-name", function.name, "--action", action,
            "--statement-id", f"b2bpilot-sns-{world.now:%Y%m%d%H%M%S}",
            "--principal", "sns.amazonaws.com", "--source-arn", topic_arn,
        ),
    )  # fmt: skip


def _has_queue(world: World) -> Answer:
    queue, target = world.stack.dead_letter_queue_arn, _function(world).dead_letter_arn
    if target == queue:
        return holds(queue)
    return fails(
        f"what the processor fails on goes to {target}"
        if target
        else "the processor has no dead-letter queue: what it fails on is dropped"
    )


def _may_write_letters(world: World) -> Answer:
    grants = [Grant(action="sqs:SendMessage", resource=world.stack.dead_letter_queue_arn)]
    return is_allowed(world, _function(world).role_arn, grants, policy="b2bpilot-dead-letters")


def _reads(function: FunctionSettings) -> Reads:
    """Without a reply to send it needs nothing of Twilio's."""
    return Reads(database=True, twilio=bool(function.environment.get("REPLY_TEXT")))


def _may_read_secrets(world: World) -> Answer:
    function = _function(world)
    grants = _reads(function).grants(world.stack)
    return is_allowed(world, function.role_arn, grants, policy="b2bpilot-secret")


def _told(world: World) -> Answer:
    function = _function(world)
    return is_told(function, _reads(function).variables(world.stack))


def _runtimes(world: World) -> Answer:
    """Of all four functions: they are built and deployed together."""
    stack = world.stack
    names = (
        stack.webhook_function_name,
        stack.processor_function_name,
        stack.stale_function_name,
        stack.redriver_function_name,
    )
    used = sorted({settings.runtime for name in names if (settings := found(world, name))})
    if unknown := [runtime for runtime in used if runtime not in DEPRECATED]:
        return unanswered(f"this version does not know until when AWS supports {', '.join(unknown)}")
    told = ", ".join(f"{runtime} until {DEPRECATED[runtime]:%Y-%m-%d}" for runtime in used)
    if all(world.now.date() + NOTICE <= DEPRECATED[runtime] for runtime in used):
        return holds(told)
    return fails(f"AWS supports {told}: deploy a release with a newer runtime")


CHECKS = (
    Check(
        code="B2B040",
        category=Category.PROCESSOR,
        statement="the processor is there and ready",
        why="Without it every message becomes a dead letter.",
        mend="",
        probe=_ready,
        actions=READ,
        needs=("B2B010",),
    ),
    Check(
        code="B2B041",
        category=Category.PROCESSOR,
        statement="SNS may call the processor from this topic",
        why="SNS does not try again: the message goes to the dead-letter queue at once.",
        mend="aws lambda add-permission --function-name {processor_function_name} --statement-id b2bpilot-sns "
        "--action lambda:InvokeFunction --principal sns.amazonaws.com --source-arn {topic_arn}",
        probe=_callable,
        actions=(*READ, "lambda:GetPolicy"),
        needs=("B2B040",),
    ),
    Check(
        code="B2B042",
        category=Category.PROCESSOR,
        statement="what the processor fails on goes to the dead-letter queue",
        why="Without one Lambda drops the message after its third run.",
        mend="aws lambda update-function-configuration --function-name {processor_function_name} "
        "--dead-letter-config TargetArn={dead_letter_queue_arn}",
        probe=_has_queue,
        actions=READ,
        needs=("B2B040",),
    ),
    Check(
        code="B2B043",
        category=Category.PROCESSOR,
        statement="the processor's role may write to the dead-letter queue",
        why="Lambda writes dead letters as that role, and drops what it may not write.",
        mend="",
        probe=_may_write_letters,
        actions=SIMULATE,
        needs=("B2B040",),
    ),
    Check(
        code="B2B044",
        category=Category.PROCESSOR,
        statement="the processor's role may read its secrets",
        why="It finds the database there, and the token that it replies with.",
        mend="",
        probe=_may_read_secrets,
        actions=SIMULATE,
        needs=("B2B040",),
    ),
    Check(
        code="B2B045",
        category=Category.PROCESSOR,
        statement=f"the processor has a timeout of {TIMEOUT_SECONDS} s",
        why="Less kills runs that wait for the database; more outlives the time after which a message counts as stale.",
        mend="aws lambda update-function-configuration --function-name {processor_function_name} "
        f"--timeout {TIMEOUT_SECONDS}",
        probe=lambda world: has_timeout(_function(world), TIMEOUT_SECONDS),
        actions=READ,
        needs=("B2B040",),
    ),
    Check(
        code="B2B051",
        category=Category.PROCESSOR,
        statement="the processor has this stack's secrets",
        why="With others it writes to another database, or replies from another account.",
        mend="",
        probe=_told,
        actions=READ,
        needs=("B2B040",),
    ),
    Check(
        code="B2B052",
        category=Category.PROCESSOR,
        statement="AWS supports the functions' runtime for half a year at least",
        why="After that it gets no security patches, and later the functions cannot be updated.",
        mend="",
        probe=_runtimes,
        severity=Severity.WARNING,
        actions=READ,
        needs=("B2B040",),
    ),
)
