"""What the parameter Delivery of the stack may be. Completions and `--help` read it: it imports nothing."""

from __future__ import annotations

BY_TOPIC, BY_BOTH, BY_QUEUE = "topic", "topic-and-queue", "queue"
"""SNS invokes the processor, a queue is in between, or both."""
MODES = (BY_TOPIC, BY_BOTH, BY_QUEUE)
PROTOCOLS = {
    BY_TOPIC: frozenset({"lambda"}),
    BY_BOTH: frozenset({"lambda", "sqs"}),
    BY_QUEUE: frozenset({"sqs"}),
}
"""By which the processor is subscribed in each mode."""
