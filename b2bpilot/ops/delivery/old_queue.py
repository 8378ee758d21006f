"""The queue of the SQS version, while the processor drains it (docs/decisions/0041-the-old-queue.md)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from b2bpilot.aws.mappings import EventSourceMapping, MappingReading
from b2bpilot.aws.queue_attributes import Counters, counters, queue_attributes, url_of
from b2bpilot.aws.session import AwsAccess
from b2bpilot.aws.stack import StackOutputs
from b2bpilot.errors import Refused
from b2bpilot.ops.delivery.queue_age import age_of_oldest
from b2bpilot.pipeline.arn import name_of


@dataclass(frozen=True, slots=True, kw_only=True)
class OldQueueReading:
    """`dead_letters` are those of its own dead-letter queue, None where it has none. `hidden_seconds` is its visibility
    timeout."""

    arn: str
    url: str
    mapping_id: str
    mapping: MappingReading
    queue: Counters
    oldest: timedelta | None
    hidden_seconds: int
    dead_letter_arn: str | None
    dead_letters: Counters | None

    @property
    def name(self) -> str:
        return name_of(self.arn)


def read_old_queue(stack: StackOutputs, access: AwsAccess) -> OldQueueReading | None:
    """Return what is known of it; None where the stack drains none. Raises AwsError, and Refused for one that is gone."""
    if not stack.old_queue_arn:
        return None
    client = access.client("sqs")
    url = url_of(client, stack.old_queue_arn)
    if url is None:
        raise Refused(
            f"the old queue {stack.old_queue_arn} does not exist", hint="deploy with OldQueueArn left empty"
        )
    attributes = queue_attributes(client, url)
    policy = attributes.redrive_policy
    dead_letters = url_of(client, policy.target_arn) if policy else None
    return OldQueueReading(
        arn=stack.old_queue_arn,
        url=url,
        mapping_id=stack.old_queue_mapping_id,
        mapping=EventSourceMapping.connect(stack.old_queue_mapping_id, access=access).read(),
        queue=counters(client, url),
        oldest=age_of_oldest(access, name_of(stack.old_queue_arn)),
        hidden_seconds=attributes.hidden_seconds,
        dead_letter_arn=policy.target_arn if policy else None,
        dead_letters=counters(client, dead_letters) if dead_letters else None,
    )
