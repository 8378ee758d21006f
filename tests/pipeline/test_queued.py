"""Records of the message queue: each fails or succeeds by itself, and when it is tried again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from b2bpilot.errors import DatabaseUnreachable, MessageUnreadable
from b2bpilot.pipeline.addressee import Addressee
from b2bpilot.pipeline.dead_letter import FailureKind, Shape, event_for_invoke, read_dead_letter
from b2bpilot.pipeline.delivery import Delivery, deliveries
from b2bpilot.pipeline.lease import LONGEST_LEASE, QUEUE_TRIES, queue_pause
from b2bpilot.pipeline.message import decode, encode
from b2bpilot.pipeline.outcome import DeliveryOutcome
from b2bpilot.pipeline.queued import delivery_in, failed_of, is_from_queue, queue_records
from tests.events import (
    envelope,
    enveloped_record,
    message,
    ours,
    queue_event,
    queue_record,
    raw_record,
    received,
    sns_event,
)

QUEUE = "arn:aws:sqs:us-east-1:123456789012:b2b-pilot-prod-MessageQueue-1"
STALE_AFTER = timedelta(minutes=15)


def failed(
    event: Mapping[str, Any],
    process: Callable[[Delivery], DeliveryOutcome],
    has_time: Callable[[], bool] = lambda: True,
) -> list[str]:
    found = failed_of(queue_records(event), lambda record: process(delivery_in(record)), has_time=has_time)
    return [one.queue_message_id for one in found]


def test_an_envelope_and_a_raw_message_are_the_same_message() -> None:
    sent = message()
    wrapped, raw = (
        delivery_in(queue_records(queue_event(record))[0])
        for record in (enveloped_record(sent), raw_record(sent))
    )
    assert wrapped.message == raw.message == decode(encode(sent).body)
    assert wrapped.published_at is not None
    assert raw.published_at is None


def test_an_envelope_keeps_the_ids_that_sns_gave_it() -> None:
    wrapped = envelope(message())
    (record,) = queue_records(queue_event(queue_record(wrapped)))
    assert delivery_in(record).sns_message_id == wrapped["MessageId"]


def test_an_event_of_the_topic_is_none_of_the_queue() -> None:
    assert is_from_queue(queue_event(enveloped_record(message())))
    assert not any(
        is_from_queue(one) for one in (sns_event(message()), {}, {"Records": []}, {"Records": [1]}, None, [])
    )


@pytest.mark.parametrize(
    ("outcome", "stays"),
    [
        (DeliveryOutcome.STORED, False),
        (DeliveryOutcome.DUPLICATE, False),
        (DeliveryOutcome.DISCARDED, False),
        (DeliveryOutcome.IN_PROGRESS, True),
    ],
)
def test_only_what_another_run_is_at_work_on_stays(outcome: DeliveryOutcome, stays: bool) -> None:
    """A success deletes the message, while the run that has it may be dead."""
    event = queue_event(record := enveloped_record(message()))
    assert failed(event, lambda _: outcome) == ([record["messageId"]] if stays else [])


@pytest.mark.parametrize(
    "body", ["", "no JSON", "[]", "{}", '{"Type": "Notification"}', json.dumps(envelope(message()) | {"Message": "x"})]
)  # fmt: skip
def test_a_record_that_cannot_be_read_fails_alone(body: str) -> None:
    sound = [enveloped_record(message()) for _ in range(2)]
    bad = queue_record(body)
    done: list[str] = []

    def process(delivery: Delivery) -> DeliveryOutcome:
        done.append(delivery.message.message_id)
        return DeliveryOutcome.STORED

    assert failed(queue_event(sound[0], bad, sound[1]), process) == [bad["messageId"]]
    assert len(done) == 2


def test_a_record_whose_run_raises_fails_alone() -> None:
    records = [enveloped_record(message()) for _ in range(3)]
    outcomes = iter([DeliveryOutcome.STORED, DatabaseUnreachable("no answer"), DeliveryOutcome.STORED])

    def process(_: Delivery) -> DeliveryOutcome:
        found = next(outcomes)
        if isinstance(found, Exception):
            raise found
        return found

    assert failed(queue_event(*records), process) == [records[1]["messageId"]]


def test_what_there_is_no_time_for_is_not_begun_and_stays() -> None:
    records = [enveloped_record(message()) for _ in range(3)]
    time = iter([True, False, False])
    begun: list[Delivery] = []

    def process(delivery: Delivery) -> DeliveryOutcome:
        begun.append(delivery)
        return DeliveryOutcome.STORED

    stays = failed(queue_event(*records), process, has_time=lambda: next(time))
    assert stays == [one["messageId"] for one in records[1:]]
    assert len(begun) == 1


@pytest.mark.parametrize("broken", [{}, {"messageId": ""}, {"messageId": None}])
def test_a_batch_with_a_record_that_no_answer_could_keep_fails_as_a_whole(broken: dict[str, Any]) -> None:
    record = enveloped_record(message())
    del record["messageId"]
    with pytest.raises(MessageUnreadable, match="no messageId"):
        queue_records(queue_event(enveloped_record(message()), record | broken))


# ---- the timeline ----


def test_a_message_of_the_queue_is_tried_again_once_a_lease_is_over_and_before_it_is_stale() -> None:
    pauses = [queue_pause(count, longest=LONGEST_LEASE) for count in range(1, QUEUE_TRIES)]
    assert pauses == [timedelta(seconds=seconds) for seconds in (60, 120, 240, 480)]
    assert min(pauses) > LONGEST_LEASE
    assert max(pauses) + timedelta(seconds=300) < STALE_AFTER


@pytest.mark.parametrize("count", [QUEUE_TRIES, QUEUE_TRIES + 1, 10**8])
def test_after_the_last_try_it_becomes_a_dead_letter_at_once(count: int) -> None:
    assert queue_pause(count, longest=LONGEST_LEASE) == timedelta()


# ---- its dead letters ----


def moved(body: str | dict[str, Any]) -> dict[str, Any]:
    found = received(body)
    found["Attributes"]["DeadLetterQueueSourceArn"] = QUEUE
    return found


def test_the_dead_letter_of_a_queue_names_it_and_can_be_sent_again() -> None:
    sent = message()
    found = read_dead_letter(moved(envelope(sent)))

    assert (found.message_id, found.shape, found.failure.kind) == (
        sent.message_id,
        Shape.QUEUE,
        FailureKind.GIVEN_UP,
    )
    assert found.addressee.queue_arn == QUEUE
    (again,) = deliveries(event_for_invoke(ours(found), run_id="r1"))
    assert again.message == found.message


def test_a_dead_letter_of_a_queue_that_cannot_be_read_names_it_too() -> None:
    assert read_dead_letter(moved("no JSON")).addressee == Addressee(queue_arn=QUEUE)
