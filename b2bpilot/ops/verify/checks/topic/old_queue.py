"""Checks of the category `topic`: the queue of the SQS version, while it is drained."""

from __future__ import annotations

from functools import partial

from b2bpilot.errors import Refused
from b2bpilot.ops.delivery.old_queue import OldQueueReading, read_old_queue
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds
from b2bpilot.ops.verify.checks.topic.message_queue import losing
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.shared import shared
from b2bpilot.plural import many

NONE = "none is drained: OldQueueArn is empty"
PROCESSOR_SECONDS = 300
"""The processor's timeout. Lambda makes no mapping from a queue that hides its messages for less."""
ADVISED_SECONDS = 6 * PROCESSOR_SECONDS


def _reading(deployment: Deployment) -> OldQueueReading | None:
    """Raises AwsError, and Refused for a queue that is gone."""
    stack = deployment.stack
    found: OldQueueReading | None = deployment.ask(
        "old queue", lambda: read_old_queue(stack, shared(deployment))
    )
    return found


def _is_drained(deployment: Deployment) -> Answer:
    try:
        reading = _reading(deployment)
    except Refused as gone:
        return fails(f"{gone}; {gone.hint}", fix="")
    if reading is None:
        return holds(NONE)
    held = f"{_held(reading)} in {reading.name}"
    if reading.hidden_seconds < PROCESSOR_SECONDS:
        return fails(
            f"{reading.name} hides a received message for {reading.hidden_seconds} s, and a run may last "
            f"{PROCESSOR_SECONDS} s: another one gets it meanwhile",
            fix=f"aws sqs set-queue-attributes --queue-url {reading.url} --attributes VisibilityTimeout={ADVISED_SECONDS}",
        )
    if not reading.mapping.state.is_on:
        return fails(f"{held}, and the processor takes none: its mapping is {reading.mapping.state.lower()}")
    if found := losing(reading.mapping, deployment.stack.processor_reserved_concurrency):
        return fails("; ".join(found), fix="")
    return holds(held)


def _gave_nothing_up(deployment: Deployment) -> Answer:
    try:
        reading = _reading(deployment)
    except Refused as gone:
        return fails(str(gone), fix="")
    if reading is None:
        return holds(NONE)
    if reading.dead_letters is None:
        return fails(
            f"{reading.name} has no dead-letter queue: what cannot be read comes again until the queue deletes it",
            fix="",
        )
    total = reading.dead_letters.total
    where = f"about {many(total, 'message')} in its dead-letter queue {reading.dead_letter_arn}"
    back = f"aws sqs start-message-move-task --source-arn {reading.dead_letter_arn}"
    return fails(where, fix=back) if total else holds(where)


def _held(reading: OldQueueReading) -> str:
    waiting = f"about {many(reading.queue.total, 'message')}"
    if not reading.queue.total or reading.oldest is None:
        return waiting
    return f"{waiting}, the oldest {reading.oldest.total_seconds() / 60:,.0f} min old,"


check = partial(Check, category=Category.TOPIC, needs=("B2B010",))

CHECKS = (
    check(
        code="B2B191",
        statement="the old queue is drained",
        why="What waits there has no row yet, and nobody else takes it.",
        fix="aws lambda update-event-source-mapping --uuid {old_queue_mapping_id} --enabled",
        probe=_is_drained,
        actions=(
            "cloudwatch:GetMetricData",
            "lambda:GetEventSourceMapping",
            "sqs:GetQueueAttributes",
            "sqs:GetQueueUrl",
        ),
    ),
    check(
        code="B2B192",
        statement="the old queue gave nothing up",
        why="A shape that nobody can read, or a database that was down for longer than it tries. Sent back, it is tried again.",
        probe=_gave_nothing_up,
        severity=Severity.WARNING,
        actions=(
            "cloudwatch:GetMetricData",
            "lambda:GetEventSourceMapping",
            "sqs:GetQueueAttributes",
            "sqs:GetQueueUrl",
        ),
    ),
)
