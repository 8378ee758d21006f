"""Which subscriptions a message would reach. Nothing is published."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from b2bpilot.aws.subscriptions import Subscription
from b2bpilot.errors import MessageUnreadable, UsageError
from b2bpilot.ops.parameters import with_media_count
from b2bpilot.ops.subscribers.filter_policy import Evaluation, evaluate
from b2bpilot.pipeline.message import (
    Encoded,
    PilotMessage,
    Priority,
    Source,
    decode,
    encode,
    message_id_for,
    new_message_id,
)

TYPES = frozenset({"String", "String.Array", "Number", "Binary"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionEvaluation:
    """What one subscription would do with the message. `delivers` None: it cannot be told."""

    subscription: Subscription
    evaluation: Evaluation

    @property
    def delivers(self) -> bool | None:
        """An unconfirmed one gets nothing, whatever its policy says."""
        if self.subscription.confirmed is False:
            return False
        if self.subscription.attributes_error is not None:
            return None
        return self.evaluation.accepts


def evaluate_all(
    subscriptions: Sequence[Subscription], message: Encoded, *, varying: frozenset[str] = frozenset()
) -> list[SubscriptionEvaluation]:
    """Judge the message by each. It stands for others that differ in the keys that are `varying`."""
    return [
        SubscriptionEvaluation(
            subscription=one,
            evaluation=evaluate(one.filter_policy, one.filter_policy_scope, message, varying=varying),
        )
        for one in subscriptions
    ]


def composed(
    params: Mapping[str, str], *, source: Source, test: bool, priority: Priority, now: datetime
) -> PilotMessage:
    """Return the message that the webhook would publish for these parameters of Twilio's, or another source."""
    sid = params.get("MessageSid")
    return PilotMessage(
        message_id=message_id_for(sid) if sid else new_message_id(),
        source=source,
        received_at=now,
        params=with_media_count(params),
        test=test,
        priority=priority,
    )


def from_text(text: str) -> PilotMessage:
    """Return the message whose body, as it was published, is `text`. Raises UsageError."""
    try:
        return decode(text)
    except MessageUnreadable as exc:
        raise UsageError(
            f"the file is not a message as it was published: {exc}",
            hint="give Twilio's parameters with --param instead",
        ) from exc


def encoded(message: PilotMessage, attributes: Mapping[str, str]) -> Encoded:
    """Return the message as SNS gets it, some attributes replaced or added: `name` or `name:Type`. Raises UsageError."""
    published = encode(message)
    changed = dict(_attribute(name, value) for name, value in attributes.items())
    return replace(published, attributes=published.attributes | changed)


def _attribute(text: str, value: str) -> tuple[str, dict[str, str]]:
    name, _, kind = text.partition(":")
    if (kind or "String") not in TYPES:
        raise UsageError(
            f"SNS has no attribute type {kind!r}", hint=f"one of {', '.join(sorted(TYPES))}, or none"
        )
    _check(name, kind, value)
    return name, {"DataType": kind or "String", "StringValue": value}


def _check(name: str, kind: str, value: str) -> None:
    """SNS refuses such a message; so no answer about it would be true."""
    if not name or not value:
        raise UsageError(f"SNS refuses an attribute without a name or a value: {name!r}={value!r}")
    if kind not in ("Number", "String.Array"):
        return
    try:
        parsed = json.loads(value)
    except ValueError:
        parsed = None
    wanted = list if kind == "String.Array" else (int, float)
    if not isinstance(parsed, wanted) or isinstance(parsed, bool):
        raise UsageError(f"attribute {name}: {value!r} is no {kind}")
