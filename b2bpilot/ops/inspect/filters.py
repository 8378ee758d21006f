"""Why SNS did not hand the message to the processor: what the subscriptions say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from b2bpilot.aws.subscriptions import Subscription, subscriptions
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.inspect import codes
from b2bpilot.ops.inspect.source import Answer, Question, Rejection
from b2bpilot.ops.subscriptions.filter_policy import BODY_SCOPE, Evaluation, evaluate
from b2bpilot.pipeline.message import Encoded, MessageType, Priority, Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriptions:
    """The processor's subscription to the topic. Satisfies the protocol Source. `published` is the webhook's line."""

    environment: Environment
    published: Mapping[str, object]
    name: str = "subscriptions"

    def ask(self, question: Question) -> Answer:
        stack = self.environment.stack
        found = subscriptions(self.environment.access, stack.topic_arn)
        ours = [one for one in found if one.endpoint.endswith(f":{stack.processor_function_name}")]
        ours = ours or [one for one in found if one.arn == stack.subscription_arn]
        if not ours:
            missing = "the processor is not subscribed to the topic"
            return Answer(rejections=[Rejection(reason=missing, code=codes.NOT_SUBSCRIBED)])
        message = self._message(question)
        reasons = [reason for one in ours for reason in _reasons(one, message)]
        return Answer(rejections=reasons)

    def _message(self, question: Question) -> Encoded:
        """What the webhook published, as far as its log says: never the text."""
        test = self.published.get("test") is True
        values = {
            "message_id": question.message_id,
            "source": (Source.CLI if test else Source.TWILIO).value,
            "message_type": str(self.published.get("message_type") or MessageType.TEXT.value),
            "priority": Priority.NORMAL.value,
            "test": json.dumps(test),
        }
        attributes = {name: {"DataType": "String", "StringValue": value} for name, value in values.items()}
        return Encoded(body="{}", attributes=attributes)


def _reasons(subscription: Subscription, message: Encoded) -> Iterator[Rejection]:
    policy, scope = subscription.filter_policy, subscription.filter_policy_scope
    if subscription.confirmed is False:
        yield Rejection(reason="the processor's subscription is not confirmed", code=codes.NOT_CONFIRMED)
    elif policy is not None and scope == BODY_SCOPE:
        reason = f"the subscription filters on the body, which no log holds: {policy}"
        yield Rejection(reason=reason, code=codes.FILTERED)
    elif policy is not None and (found := evaluate(policy, scope, message)).accepts is False:
        reason = f"the subscription's filter policy rejects it: {_explained(found)}"
        yield Rejection(reason=reason, code=codes.FILTERED, is_filter=True)


def _explained(found: Evaluation) -> str:
    keys = [
        f"{key.key} is {key.found if key.found is not None else 'missing'}, wanted {key.wanted}"
        for key in found.keys
        if key.accepts is False
    ]
    return "; ".join(keys) or found.problem or "it does not say why"
