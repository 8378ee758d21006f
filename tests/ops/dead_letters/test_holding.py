"""What is held stays hidden, is deleted by its last receipt, and is given back."""

from __future__ import annotations

import pytest

from b2bpilot.errors import AwsError
from b2bpilot.ops.dead_letters.holding import Hiding, Holding, Receipts
from tests.fakes.dead_letters import dead
from tests.fakes.faults import Fault, Faults
from tests.fakes.sqs import FakeQueue
from tests.ops.dead_letters.deployment import Deployment, dead_letter

HIDDEN_SECONDS = 30


def hiding(queue: FakeQueue) -> Hiding:
    return Hiding(queue, hidden_seconds=HIDDEN_SECONDS, monotonic=queue.sqs.clock)


def test_a_batch_is_extended_when_half_of_its_time_is_over_and_not_before() -> None:
    queue = FakeQueue(dead() for _ in range(20))
    with hiding(queue) as held:
        held.receive(wait_seconds=0)
        queue.sqs.now += 10
        held.receive(wait_seconds=0)
        queue.sqs.now += 6
        held.extend_due()

        assert queue.sqs.calls.count("extend") == 1
        queue.sqs.now += 24
        assert queue.sqs.hidden() == set(list(queue.sqs.messages)[:10])
    assert queue.sqs.hidden() == set()


def test_an_extension_that_failed_is_tried_again_while_the_dead_letters_are_hidden() -> None:
    queue = FakeQueue([dead()], faults=Faults.at(2, Fault.of(AwsError("no answer"))))
    with hiding(queue) as held:
        held.receive(wait_seconds=0)
        for _ in range(9):
            queue.sqs.now += 4
            held.extend_due()

        assert queue.sqs.calls.count("extend") == 3
        assert queue.sqs.hidden() == set(queue.sqs.messages)


def test_a_dead_letter_that_is_received_again_is_not_new_and_is_deleted_by_its_last_receipt() -> None:
    deployment = Deployment([dead_letter()])
    with Holding(deployment.queue) as held:
        first = held.receive(wait_seconds=0)
        deployment.queue.sqs.expire()

        assert held.receive(wait_seconds=0) == []
        assert held.delete(first) == []
    assert deployment.waiting == set()


@pytest.mark.parametrize("count", [1, 25, 12_000])
def test_receipts_come_back_as_they_were_kept_also_from_the_disk(count: int) -> None:
    dead_letters = [dead_letter() for _ in range(min(count, 25))] * (1 + count // 25)
    receipts = Receipts()
    for start in range(0, len(dead_letters), 10):
        receipts.add(dead_letters[start : start + 10], extend_at=0)

    found = [receipt.receipt_handle for receipt in receipts.current(dead_letters[:25])]

    assert found == [one.receipt_handle for one in dead_letters[:25]]
    receipts.close()


def test_what_was_dropped_is_neither_extended_nor_given_back() -> None:
    receipts, dead_letters = Receipts(), [dead_letter() for _ in range(3)]
    receipts.add(dead_letters, extend_at=1)
    receipts.drop(dead_letters[:2])
    batch = receipts.pop_due(1)

    assert batch is not None
    assert [one.queue_message_id for one in receipts.held(batch)] == [dead_letters[2].queue_message_id]
    receipts.drop(dead_letters)
    receipts.put_back(batch, extend_at=2)
    assert receipts.pop_due() is None
    receipts.close()
