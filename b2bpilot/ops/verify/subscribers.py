"""The subscribers beside the processor, as the checks about them see them: each asked beside the others, all told in one answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from b2bpilot.aws import side_by_side
from b2bpilot.aws.function_settings import FunctionSettings, function_settings
from b2bpilot.aws.policies import where
from b2bpilot.aws.queue_attributes import QueueAttributes, queue_at
from b2bpilot.aws.session import AwsAccess
from b2bpilot.aws.subscriptions import Subscription, subscriptions
from b2bpilot.errors import AwsDenied, AwsError, UsageError
from b2bpilot.ops.recipient import EXPRESS, PROCESSOR, Recipient
from b2bpilot.ops.subscribers.admission import principal_for
from b2bpilot.ops.subscribers.discovery import Subscriber, SubscriberKind, others_among
from b2bpilot.ops.subscribers.missing import (
    Absence,
    ImportingStack,
    MissingSubscriber,
    absence,
    importing_stacks,
)
from b2bpilot.ops.subscribers.naming import meanings
from b2bpilot.ops.subscribers.permission import PermissionReading, ask_permission
from b2bpilot.ops.verify.check import Answer, Severity, fails, holds, silent, unanswered, warns
from b2bpilot.ops.verify.commands import aws, document, one_after_another
from b2bpilot.ops.verify.deployment import PROBE_TIMEOUTS, Deployment
from b2bpilot.ops.verify.exposure import with_statements
from b2bpilot.ops.verify.fixes import told
from b2bpilot.ops.verify.shared import shared, shared_environment
from b2bpilot.pipeline.arn import account_of, region_of
from b2bpilot.plural import many

OWNERS = ("sns:ListSubscriptionsByTopic", "sns:GetSubscriptionAttributes")
"""To know whose a subscription is."""
SUBSCRIBER = (
    "lambda:GetFunctionConfiguration",
    "lambda:GetFunctionEventInvokeConfig",
    "lambda:ListEventSourceMappings",
    "sqs:GetQueueUrl",
    "sqs:GetQueueAttributes",
)
"""To look at a subscriber."""
READ = (*OWNERS, *SUBSCRIBER)
"""What it takes to find them: docs/decisions/0038-subscribers.md."""
IMPORTS = (
    "cloudformation:ListImports",
    "cloudformation:ListStackResources",
    "cloudformation:DescribeStacks",
)
"""What it takes to find who is missing."""
MOST_TOLD = 5
"""So many are told by name, with what is wrong with each; of the others there is the number."""

Probe = Callable[[Deployment, Subscriber], Answer | None]
"""None: the check has no meaning for this subscriber."""


def all_of(deployment: Deployment) -> list[Subscription]:
    """Return all subscriptions of the topic. Raises AwsError."""
    found: list[Subscription] = deployment.ask(
        "subscriptions", lambda: subscriptions(shared(deployment), deployment.stack.topic_arn)
    )
    return found


def others(deployment: Deployment) -> list[Subscriber]:
    """Return all subscribers that are not the stack's own: what else of it is subscribed, B2B034 tells. Raises AwsError."""
    found: list[Subscriber] = deployment.ask(
        "subscribers", lambda: others_among(shared_environment(deployment), all_of(deployment))
    )
    stack = Recipient.of_stack(deployment.stack)
    return [one for one in found if not stack.owns(one.subscription.endpoint)]


def chosen(deployment: Deployment) -> list[Subscriber]:
    """Return those that were asked for by name; all of them where none was."""
    wanted = deployment.choices.subscribers
    return _meant(deployment, wanted) if wanted else others(deployment)


def _meant(deployment: Deployment, texts: Sequence[str]) -> list[Subscriber]:
    """An ambiguous name means all whose it is."""
    found = others(deployment)
    index = meanings([one.subscription for one in found], shared_environment(deployment))
    meant = [each for text in texts for each in index.get(text, ())]
    return [one for one in found if one.subscription in meant]


def wants(deployment: Deployment, missing: MissingSubscriber) -> bool:
    """Tell whether it was asked for, or nobody by name."""
    wanted = deployment.choices.subscribers
    return not wanted or not {missing.name, missing.stack}.isdisjoint(wanted)


def importing(deployment: Deployment) -> list[ImportingStack]:
    """Return the stacks that import the topic. Raises AwsError."""
    found: list[ImportingStack] = deployment.ask(
        "importing stacks", lambda: importing_stacks(shared_environment(deployment), timeouts=PROBE_TIMEOUTS)
    )
    return found


def absence_of(deployment: Deployment) -> Absence:
    """Return who is missing of those. Raises AwsError."""
    return absence(importing(deployment), all_of(deployment), shared_environment(deployment))


def asked_of(deployment: Deployment) -> list[Subscription]:
    """Return the subscriptions of those that were asked for by name; all of the topic where none was."""
    if not deployment.choices.subscribers:
        return all_of(deployment)
    return [one.subscription for one in chosen(deployment)]


def of_others(deployment: Deployment, found: Answer, *, is_ours: bool = False) -> Answer:
    """Return what is wrong with other subscribers: a failure where they were asked for, else a warning."""
    is_fatal = is_ours or deployment.choices.subscribers
    return replace(found, severity=Severity.FATAL if is_fatal else Severity.WARNING)


def require_subscribed(deployment: Deployment) -> None:
    """Raises UsageError for a name that was asked for and that nobody has, not even a stack whose subscription is gone;
    AwsError."""
    missing = absence_of(deployment).missing
    own = {PROCESSOR, *([EXPRESS] if deployment.stack.express_function_name else [])}
    for name in deployment.choices.subscribers:
        if name in own:
            raise UsageError(
                f"--subscriber: {name} is what the other checks are about",
                hint="leave --subscriber out",
            )
        if not _meant(deployment, [name]) and not any(name in (one.name, one.stack) for one in missing):
            known = [*(one.name for one in others(deployment)), *(one.name for one in missing)]
            listed = ", ".join(sorted(known)) or "nobody"
            raise UsageError(
                f"--subscriber: nobody called {name!r} is subscribed to the topic",
                hint=f"besides the processor: {listed}",
            )


def of_each(probe: Probe) -> Callable[[Deployment], Answer]:
    """Return the probe of a check that asks it of each subscriber, and tells of those for which it does not hold."""

    def asked(deployment: Deployment) -> Answer:
        found = chosen(deployment)
        if not found:
            return nobody(deployment)
        answers = side_by_side.of_each(lambda one: _asked(probe, deployment, one), found)
        told = [(one.name, answer) for one, answer in zip(found, answers, strict=True) if answer is not None]
        return together(deployment, told) if told else holds(f"no meaning for {named(found)}")

    return asked


def nobody(deployment: Deployment) -> Answer:
    wanted = deployment.choices.subscribers
    if wanted:
        return unanswered(f"{', '.join(wanted)} is not subscribed")
    return holds("nobody but the processor is subscribed")


def together(deployment: Deployment, answers: Sequence[tuple[str, Answer]]) -> Answer:
    """Return one answer for all. What is wrong with a subscriber is a failure where it was asked for, and a warning else."""
    wrong = [one for one in answers if one[1].is_true is False and one[1].is_known]
    doubtful = [one for one in answers if one[1].is_true is False and not one[1].is_known]
    if wrong:
        fixes = [one.fix for _, one in wrong[:MOST_TOLD] if one.fix]
        may_change = all(one.may_change for _, one in wrong)
        fix = one_after_another(fixes) if fixes else ""
        return of_others(deployment, fails(_told([*wrong, *doubtful]), fix=fix, may_change=may_change))
    if doubtful:
        return replace(warns(_told(doubtful), fix=""), may_change=all(one.may_change for _, one in doubtful))
    fine = [one for one in answers if one[1].is_true]
    open_ones = [one for one in answers if one[1].is_true is None]
    if not fine:
        return unanswered(_told(open_ones))
    left = f"; not looked at: {_told(open_ones)}" if open_ones else ""
    return holds(f"{_told(fine)}{left}")


def _told(answers: Sequence[tuple[str, Answer]]) -> str:
    named = "; ".join(f"{name}: {one.seen}" for name, one in answers[:MOST_TOLD])
    more = len(answers) - MOST_TOLD
    return f"{named}; and {many(more, 'more subscriber')}" if more > 0 else named


def named(found: Sequence[Subscriber]) -> str:
    names = ", ".join(one.name for one in found[:MOST_TOLD])
    more = len(found) - MOST_TOLD
    return f"{names} and {many(more, 'more subscriber')}" if more > 0 else names


def _asked(probe: Probe, deployment: Deployment, one: Subscriber) -> Answer | None:
    if one.subscription.confirmed is False:
        return unanswered("nobody confirmed its subscription")
    try:
        return probe(deployment, one)
    except AwsDenied as exc:
        return unanswered(f"the caller may not {exc.action}" if exc.action else str(exc))
    except AwsError as exc:
        return silent(told(exc, deployment), may_change=True)
    except Exception as exc:  # noqa: BLE001  # one subscriber that nobody foresaw is not the end of all
        return silent(f"the check itself broke: {type(exc).__name__}: {exc}", may_change=False)


def readable(subscription: Subscription) -> Subscription:
    """Return it where its attributes were read; raises what kept them from it."""
    if subscription.attributes_error is not None:
        raise subscription.attributes_error
    return subscription


def out_of_reach(deployment: Deployment, one: Subscriber) -> Answer | None:
    """Return why nobody here can look at its endpoint; None for a function or queue of this account."""
    account = account_of(one.subscription.endpoint)
    if one.kind is SubscriberKind.OTHER:
        return unanswered(f"SNS delivers to it by {one.subscription.protocol}")
    if account != deployment.stack.account_id:
        return unanswered(f"it is account {account}'s, whose owner can look")
    return None


def of_own_account(probe: Probe) -> Probe:
    """Return the probe for functions and queues that can be looked at: there, and not another account's."""

    def asked(deployment: Deployment, one: Subscriber) -> Answer | None:
        if (answer := out_of_reach(deployment, one)) is not None:
            return answer
        if one.exists is False:
            return unanswered(f"its {one.kind.value} does not exist")
        return probe(deployment, one)

    return asked


def access_to(deployment: Deployment, arn: str) -> AwsAccess:
    """SNS delivers to other regions, too."""
    return where(shared(deployment), arn)


def queue(deployment: Deployment, arn: str) -> tuple[str, QueueAttributes] | None:
    """Return a queue's URL and how it is set up; None where there is none. Raises AwsError."""
    found: tuple[str, QueueAttributes] | None = deployment.ask(
        ("queue", arn), lambda: queue_at(access_to(deployment, arn).client("sqs"), arn)
    )
    return found


def function(deployment: Deployment, arn: str) -> FunctionSettings | None:
    """Return how a function is set up; None where there is none. Raises AwsError."""
    found: FunctionSettings | None = deployment.ask(
        ("function", arn), lambda: function_settings(access_to(deployment, arn).client("lambda"), arn)
    )
    return found


def permission_of(deployment: Deployment, arn: str, protocol: str) -> PermissionReading:
    """Return whether SNS can deliver to it from the topic. Raises AwsError."""
    found: PermissionReading = deployment.ask(
        ("permission", arn),
        lambda: ask_permission(arn, protocol, deployment.stack.topic_arn, shared(deployment)),
    )
    return found


def admission(deployment: Deployment, queue_arn: str, policy: str | None) -> str:
    """Return the policy of a queue with a statement that lets SNS send to it from this topic."""
    topic_arn = deployment.stack.topic_arn
    statement = {
        "Sid": "AllowTheTopic",
        "Effect": "Allow",
        "Principal": {"Service": principal_for(topic_arn, queue_arn)},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
    }
    return document(with_statements(policy, [statement]))


def admission_command(deployment: Deployment, queue_arn: str) -> str:
    """Return the command that lets SNS send to a queue from this topic, and keeps what its policy says besides."""
    found = queue(deployment, queue_arn)
    policy = admission(deployment, queue_arn, found[1].policy if found else None)
    return _set_queue(deployment, queue_arn, Policy=policy)


def without_key(deployment: Deployment, queue_arn: str) -> str:
    """Return the command that encrypts a queue with SQS's own keys, which ask nobody, instead of one that keeps SNS out."""
    return _set_queue(deployment, queue_arn, KmsMasterKeyId="", SqsManagedSseEnabled="true")


def _set_queue(deployment: Deployment, queue_arn: str, **attributes: str) -> str:
    found = queue(deployment, queue_arn)
    return aws(
        "sqs", "set-queue-attributes", "--queue-url", found[0], "--attributes", document(attributes),
        *elsewhere(deployment, queue_arn),
    ) if found else ""  # fmt: skip


def elsewhere(deployment: Deployment, arn: str) -> tuple[str, ...]:
    """Return what a command of the AWS CLI needs in addition, for what is in another region than the stack."""
    region = region_of(arn)
    return ("--region", region) if region != deployment.stack.region else ()
