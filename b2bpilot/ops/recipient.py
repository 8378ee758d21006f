"""Who a command about dead letters is for: the processor of the stack, or another subscriber of its topic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from b2bpilot.aws.stack import StackOutputs
from b2bpilot.pipeline.arn import function_name
from b2bpilot.pipeline.owner import asker_of

PROCESSOR = "processor"
"""What the stack's own subscriber is called; no other may be."""
EXPRESS = "express"
"""What its second one is called, the express lane's."""
NOBODY_KNOWS = "which function takes what is in its queue is not known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """One subscriber, as far as its dead letters need it: what is its own, and where they lie.

    ARNs of functions are without version and alias. `function` is what its dead letters are sent to again, by name or by ARN with
    version or alias;
    None where nobody knows which takes what is in its queue. `source_queue_arn` is the queue that feeds it, where it has one. Only the processor's messages have rows of ours.
    """

    name: str
    topic_arn: str
    subscription_arn: str
    function: str | None
    function_arns: frozenset[str]
    dead_letter_queue_url: str
    dead_letter_queue_arn: str
    source_queue_arn: str | None = None
    express_subscription_arn: str | None = None
    no_function: str = NOBODY_KNOWS
    """Why `function` is None, where it is."""

    @classmethod
    def of_stack(cls, stack: StackOutputs) -> Self:
        """Return the processor, and with it whatever else the stack consists of."""
        names = (
            stack.webhook_function_name,
            *stack.processors,
            stack.stale_function_name,
            stack.redriver_function_name,
        )
        prefix = f"arn:{stack.partition}:lambda:{stack.region}:{stack.account_id}:function:"
        return cls(
            name=PROCESSOR,
            topic_arn=stack.topic_arn,
            subscription_arn=stack.subscription_arn,
            function=stack.processor_function_name,
            function_arns=frozenset(prefix + name for name in names),
            dead_letter_queue_url=stack.dead_letter_queue_url,
            dead_letter_queue_arn=stack.dead_letter_queue_arn,
            source_queue_arn=stack.message_queue_arn or None,
            express_subscription_arn=stack.express_subscription_arn or None,
        )

    @property
    def is_processor(self) -> bool:
        return self.name == PROCESSOR

    @property
    def mark(self) -> str | None:
        """What a redrive's mark calls it: its endpoint, for a subscription may be made anew. None is the processor."""
        if self.is_processor:
            return None
        return self.source_queue_arn or next(iter(self.function_arns), self.subscription_arn)

    @property
    def asker(self) -> str:
        """Say for whom a command is."""
        return asker_of(None if self.is_processor else self.name)

    @property
    def whose(self) -> str:
        """Say whose its dead letters are."""
        return "the processor's" if self.is_processor else f"subscriber {self.name}'s"

    @property
    def function_in_words(self) -> str:
        """Its name, with version or alias where one is run."""
        parts = (self.function or "").split(":")
        return ":".join(parts[6:] or parts)

    def owns(self, arn: str) -> bool:
        """Whether it is one of its functions, through an alias or a version, too, or one of its queues."""
        return function_name(arn) in self.function_arns or arn in (
            self.dead_letter_queue_arn,
            self.source_queue_arn,
        )


def place_in_words(environment: str, subscriber: str | None) -> str:
    """Say where dead letters are, or were."""
    return f"environment {environment}" + (f", subscriber {subscriber}" if subscriber else "")
