"""Why SNS did not hand the message to the processor: what the subscriptions say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from b2bpilot.aws.subscriptions import Subscription, subscriptions
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.inspect import codes
from b2bpilot.ops.inspect.source import MessageQuestion, Rejection, SourceAnswer
from b2bpilot.ops.subscribers.filter_policy import BODY_SCOPE, Evaluation, evaluated, parsed
from b2bpilot.ops.subscribers.kinds import MessageKind, kinds
from b2bpilot.pipeline.message import Priority, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriptions:
    """The processor's subscription to the topic. Satisfies the protocol Source. `published` is the webhook's line."""

    environment: Environment
    published: Mapping[str, object]
    name: str = "subscriptions"

    def ask(self, question: MessageQuestion) -> SourceAnswer:
        stack = self.environment.stack
        found = subscriptions(self.environment.access, stack.topic_arn)
        ours = [one for one in found if one.endpoint.endswith(f":{stack.processor_function_name}")]
        ours = ours or [one for one in found if one.arn == stack.subscription_arn]
        if not ours:
            missing = "the processor is not subscribed to the topic"
            return SourceAnswer(rejections=[Rejection(reason=missing, code=codes.NOT_SUBSCRIBED)])
        reasons = [reason for one in ours for reason in _reasons(one, self._kinds(), question.message_id)]
        return SourceAnswer(rejections=reasons)

    def _kinds(self) -> list[MessageKind]:
        """The kinds that the message may be of: what the webhook publishes as its line says, or anything that a command does."""
        line = self.published
        kind, test = line.get("message_type"), line.get("test") is True
        priority = line.get("priority", Priority.NORMAL)
        sources = (Source.CLI if test else Source.TWILIO,) if line else (Source.CLI, Source.RECONCILE)
        return [
            one
            for one in kinds()
            if one.source in sources
            and not one.is_redriven
            and (not line or one.priority == priority)
            and (kind is None or one.message_type == kind)
        ]


def _reasons(
    subscription: Subscription, possible: Sequence[MessageKind], message_id: str
) -> Iterator[Rejection]:
    policy, scope = subscription.filter_policy, subscription.filter_policy_scope
    if subscription.confirmed is False:
        yield Rejection(reason="the processor's subscription is not confirmed", code=codes.NOT_CONFIRMED)
    elif policy is not None and scope == BODY_SCOPE:
        reason = f"the subscription filters on the body, which no log holds: {policy}"
        yield Rejection(reason=reason, code=codes.FILTERED)
    elif policy is not None and (wanted := parsed(policy)) is not None:
        found = [
            (one, evaluated(wanted, scope, {**one.leaves(scope), "message_id": [message_id]}))
            for one in possible
        ]
        rejecting = [(one, answer) for one, answer in found if answer.accepts is False]
        if rejecting:
            kind, answer = rejecting[0]
            is_certain = len(rejecting) == len(found)
            may = "rejects it" if is_certain else f"rejects it if it is a {kind}"
            reason = f"the subscription's filter policy {may}: {_explained(answer)}"
            yield Rejection(reason=reason, code=codes.FILTERED, is_filter=is_certain)


def _explained(evaluation: Evaluation) -> str:
    keys = [
        f"{key.key} is {key.found if key.found is not None else 'missing'}, wanted {key.wanted}"
        for key in evaluation.keys
        if key.accepts is False
    ]
    return "; ".join(keys) or evaluation.problem or "it does not say why"
