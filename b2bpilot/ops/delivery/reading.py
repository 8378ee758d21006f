"""How messages get to the processor at this moment, and where some of them are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from b2bpilot.aws.mappings import EventSourceMapping, MappingReading
from b2bpilot.aws.queue_attributes import Counters, counters
from b2bpilot.aws.stack import StackChange, last_change
from b2bpilot.aws.subscriptions import subscriptions
from b2bpilot.errors import Refused
from b2bpilot.ops.delivery.old_queue import OldQueueReading, read_old_queue
from b2bpilot.ops.delivery.queue_age import age_of_oldest
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.subscribers.health import processors
from b2bpilot.pipeline.arn import name_of


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReading:
    """`oldest` is how long the oldest message has been in the queue; None where CloudWatch does not say, which is no 0.

    `protocols` are those by which SNS names the processor's subscriptions.
    """

    mode: str
    protocols: frozenset[str]
    mapping: MappingReading
    queue: Counters
    oldest: timedelta | None
    dead_letters: Counters
    change: StackChange
    now: datetime
    old: OldQueueReading | None = None
    """The queue of the SQS version, while it is drained."""

    @property
    def since_change(self) -> timedelta:
        """How long ago its last deploy ended: the mode is at least as old."""
        return self.now - self.change.at


def read_delivery(environment: Environment) -> DeliveryReading:
    """Raises Refused for a stack of the release before, and AwsError."""
    stack, access = environment.stack, environment.access
    if not stack.message_mapping_id:
        raise Refused(
            f"stack {stack.stack_name} has one way of delivery, the topic: its template is of the release before",
            hint="deploy this version's template.yaml to it",
        )
    client = access.client("sqs")
    found = subscriptions(access, stack.topic_arn)
    return DeliveryReading(
        mode=stack.delivery,
        protocols=frozenset(one.protocol for one in processors(found, stack)),
        mapping=EventSourceMapping.connect(stack.message_mapping_id, access=access).read(),
        queue=counters(client, stack.message_queue_url),
        oldest=age_of_oldest(access, name_of(stack.message_queue_arn)),
        dead_letters=counters(client, stack.dead_letter_queue_url),
        change=last_change(stack.stack_name, access),
        now=access.clock.now(),
        old=read_old_queue(stack, access),
    )
