"""The queue of the SQS version, while the processor drains it: what is in it, and what keeps it from being drained."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from b2bpilot.aws.mappings import MappingReading, MappingState
from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.errors import Refused
from b2bpilot.ops.delivery.old_queue import OldQueueReading
from b2bpilot.ops.verify.check import Status
from tests.breaking import breaks
from tests.ops.verify.deployments import STACK, deployment, seen

ARN = "arn:aws:sqs:eu-west-1:123456789012:pilot-messages"
MAPPING_ID = "5d1f0c7e-0000-4000-8000-000000000001"
EMPTY = Counters(visible=0, hidden=0, delayed=0)
MAPPING = MappingReading(
    state=MappingState.ENABLED, max_concurrency=5, read_at=datetime(2026, 11, 30, tzinfo=UTC)
)
WELL = OldQueueReading(
    arn=ARN,
    url="https://sqs.eu-west-1.amazonaws.com/123456789012/pilot-messages",
    mapping_id=MAPPING_ID,
    mapping=MAPPING,
    queue=EMPTY,
    oldest=None,
    hidden_seconds=1800,
    dead_letter_arn=f"{ARN}-dlq",
    dead_letters=EMPTY,
)
GONE = Refused("the old queue is gone", hint="leave OldQueueArn empty")


def look(code: str, reading: OldQueueReading | Exception | None) -> Any:
    stack = replace(STACK, old_queue_arn=ARN, old_queue_mapping_id=MAPPING_ID)
    return seen(code, deployment(known={"stack": stack, "old queue": reading}))


@pytest.mark.parametrize("code", ["B2B191", "B2B192"])
def test_without_an_old_queue_and_with_an_empty_one_all_is_well(code: str) -> None:
    assert seen(code, deployment()).seen == "none is drained: OldQueueArn is empty"
    assert look(code, WELL).status is Status.OK


def test_what_waits_is_counted() -> None:
    waiting = replace(WELL, queue=Counters(visible=490, hidden=10, delayed=0), oldest=timedelta(minutes=3))
    found = look("B2B191", waiting)
    assert (found.status, found.seen) == (
        Status.OK,
        "about 500 messages, the oldest 3 min old, in pilot-messages",
    )


@breaks("B2B191")
@pytest.mark.parametrize(
    ("change", "told", "fixed_by"),
    [
        ({"hidden_seconds": 180}, "hides a received message for 180 s", "--attributes VisibilityTimeout=1800"),
        ({"mapping": replace(MAPPING, state=MappingState.DISABLED)}, "its mapping is disabled", f"--uuid {MAPPING_ID} --enabled"),
        ({"mapping": replace(MAPPING, max_concurrency=10)}, "it takes 10 runs, and the reserve is 10", None),
        ({"mapping": replace(MAPPING, response_types=())}, "Lambda deletes each batch as a whole", None),
    ],
)  # fmt: skip
def test_what_keeps_it_from_being_drained_is_named(
    change: dict[str, Any], told: str, fixed_by: str | None
) -> None:
    found = look("B2B191", replace(WELL, **change))
    assert found.status is Status.FAILED
    assert told in found.seen
    assert (found.fix is None) if fixed_by is None else (fixed_by in found.fix)


@breaks("B2B192")
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"dead_letters": replace(EMPTY, visible=2)}, f"about 2 messages in its dead-letter queue {ARN}-dlq"),
        ({"dead_letters": None, "dead_letter_arn": None}, "has no dead-letter queue"),
    ],
)
def test_what_it_gave_up_is_counted(change: dict[str, Any], told: str) -> None:
    found = look("B2B192", replace(WELL, **change))
    assert found.status is Status.WARNING
    assert told in found.seen


@pytest.mark.parametrize("code", ["B2B191", "B2B192"])
def test_a_queue_that_is_gone_is_said_to_be(code: str) -> None:
    assert "gone" in look(code, GONE).seen
