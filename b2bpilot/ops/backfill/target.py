"""Whom a backfill is for: a subscriber that can be reached by itself, and takes something."""

from __future__ import annotations

from b2bpilot.advice import our_command
from b2bpilot.errors import Refused
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.subscribers.coverage import coverage
from b2bpilot.ops.subscribers.discovery import Subscriber, SubscriberKind
from b2bpilot.pipeline.arn import account_of, is_fifo


def require_fillable(found: Subscriber, environment: Environment) -> None:
    """Raises Refused."""
    _require_another(found)
    _require_reachable(found, environment)
    _require_taking(found)


def _require_another(found: Subscriber) -> None:
    if found.is_ours:
        raise Refused(
            "the processor stores the messages that this table has: there is nothing to fill back into it",
            hint="rows that are not completed: "
            + our_command("submissions", "republish", "MESSAGE_ID")
            + "; dead letters: "
            + our_command("dlq", "redrive"),
        )


def _require_reachable(found: Subscriber, environment: Environment) -> None:
    endpoint = found.subscription.endpoint
    if found.kind is SubscriberKind.OTHER:
        raise Refused(
            f"subscriber {found.name} is reached by {found.subscription.protocol}: "
            "a backfill sends to functions and queues only"
        )
    account, ours = account_of(endpoint), environment.stack.account_id
    if account != ours:
        raise Refused(
            f"subscriber {found.name} is in account {account}: a backfill sends within account {ours} only"
        )
    if is_fifo(endpoint):
        raise Refused(f"subscriber {found.name} is a FIFO queue: SNS delivers nothing to it from this topic")
    if found.exists is False:
        raise Refused(
            f"the {found.kind.value} of subscriber {found.name} does not exist: {endpoint}",
            hint="deploy its stack again, or delete its subscription",
        )


def _require_taking(found: Subscriber) -> None:
    """A subscription that gets nothing from SNS gets nothing from a backfill."""
    subscription = found.subscription
    if subscription.confirmed is False:
        raise Refused(f"the subscription of {found.name} is not confirmed: SNS delivers nothing to it")
    if subscription.attributes_error is not None:
        raise Refused(
            f"the filter policy of {found.name} cannot be read: {subscription.attributes_error}",
            hint=subscription.attributes_error.hint,
        )
    tried = coverage(subscription.filter_policy, subscription.filter_policy_scope)
    if tried.rejects_all:
        first = tried.lost[0]
        raise Refused(
            f"the filter policy of {found.name} lets no message of b2bpilot's through, such as a {first.kind}: {first.why()}",
            hint="correct it in the template of its stack, and deploy that",
        )
