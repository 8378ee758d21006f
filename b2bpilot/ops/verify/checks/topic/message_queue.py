"""Checks of the category `topic`: the queue between topic and processor, in whichever mode of delivery."""

from __future__ import annotations

from functools import partial

from b2bpilot.aws.mappings import REPORTS, EventSourceMapping, MappingReading
from b2bpilot.aws.modes import BY_TOPIC
from b2bpilot.aws.queue_attributes import counters
from b2bpilot.aws.stack import UNRESERVED
from b2bpilot.ops.verify.check import Answer, Category, Check, fails, holds
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.shared import shared
from b2bpilot.plural import many

NONE = "the stack has no message queue: its template is of the release before"


def _nothing_is_left(deployment: Deployment) -> Answer:
    stack = deployment.stack
    if not stack.message_queue_url:
        return holds(NONE)
    if stack.delivery != BY_TOPIC:
        return holds(f"its mapping empties it: Delivery is {stack.delivery}")
    found = counters(shared(deployment).client("sqs"), stack.message_queue_url).total
    if not found:
        return holds("it is empty")
    return fails(
        f"about {many(found, 'message')} in the message queue, and nothing takes them while Delivery is topic. Deploy with Delivery as "
        "topic-and-queue until it is empty"
    )


def _is_as_delivery_says(deployment: Deployment) -> Answer:
    stack = deployment.stack
    if not stack.message_mapping_id:
        return holds(NONE)
    reading = EventSourceMapping.connect(stack.message_mapping_id, access=shared(deployment)).read()
    wanted = stack.delivery != BY_TOPIC
    if reading.state.is_on is not wanted:
        return fails(
            f"the message queue's mapping is {'on' if reading.state.is_on else 'off'}, and Delivery is {stack.delivery}",
            fix="aws lambda update-event-source-mapping --uuid {message_mapping_id} "
            + ("--enabled" if wanted else "--no-enabled"),
            may_change=True,
        )
    if found := losing(reading, stack.processor_reserved_concurrency if wanted else UNRESERVED):
        return fails("; ".join(found))
    return holds("on" if wanted else "off, as nothing is delivered by the queue")


def losing(reading: MappingReading, reserve: str) -> list[str]:
    """Return what is set on a mapping to the processor that loses messages."""
    most = reading.max_concurrency
    is_too_much = reserve != UNRESERVED and (most is None or most >= int(reserve))
    return [
        *([] if REPORTS in reading.response_types else ["Lambda deletes each batch as a whole"]),
        *([f"Lambda deletes what {reading.filters} filters leave out"] if reading.filters else []),
        *([f"it takes {most or 'any number of'} runs, and the reserve is {reserve}"] if is_too_much else []),
    ]


check = partial(Check, category=Category.TOPIC, needs=("B2B010",))

CHECKS = (
    check(
        code="B2B178",
        statement="nothing lies in the message queue that nothing takes out",
        why="What a change of Delivery left there may be the only copy of a message, and SQS deletes it after 14 days.",
        probe=_nothing_is_left,
        actions=("sqs:GetQueueAttributes",),
    ),
    check(
        code="B2B179",
        statement="the message queue's mapping is as Delivery says",
        why="Off, messages wait for 14 days and are gone then; with a filter or without reports Lambda deletes what nobody "
        "stored; with as many runs as the reserve, messages become dead letters untried.",
        fix="aws lambda update-event-source-mapping --uuid {message_mapping_id} "
        f"--function-response-types {REPORTS} --filter-criteria '{{{{}}}}'",
        probe=_is_as_delivery_says,
        actions=("lambda:GetEventSourceMapping",),
    ),
)
