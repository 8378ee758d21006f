"""The fake SQS is as strict as SQS, as far as docs/aws-facts.md says how strict that is."""

from __future__ import annotations

import contextlib

import pytest
from botocore.exceptions import ClientError

from b2bpilot.aws.queue import Outgoing, Receipt
from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.errors import AwsError
from tests.fakes.dead_letters import dead
from tests.fakes.faults import LOST_ANSWER, LOST_REQUEST, PARTIAL, Crash, Fault, Faults, Killed
from tests.fakes.sqs import MOST_IN_FLIGHT, FakeQueue, FakeSqs


def test_a_receive_hides_for_its_time_and_counts() -> None:
    queue = FakeQueue([dead() for _ in range(12)])

    assert [len(queue.receive(hidden_seconds=30, wait_seconds=0)) for _ in range(3)] == [10, 2, 0]
    assert queue.counters() == Counters(visible=0, hidden=12, delayed=0)
    queue.sqs.now += 30
    assert {one.receive_count for one in queue.receive(hidden_seconds=30)} == {2}


def test_a_later_receive_makes_the_earlier_handle_useless() -> None:
    """SQS says that it deleted, and did not; it refuses to hide what is not in flight by that receive."""
    queue = FakeQueue([dead()])
    (first,) = queue.receive(hidden_seconds=30)
    queue.sqs.expire()
    (second,) = queue.receive(hidden_seconds=30)

    assert queue.delete([first]) == []
    assert queue.extend([first], 60) == [first]
    assert len(queue.sqs.messages) == 1
    assert queue.delete([second]) == []
    assert queue.sqs.messages == {}


def test_what_is_visible_again_cannot_be_extended_and_is_deleted_while_nobody_received_it() -> None:
    queue = FakeQueue([dead()])
    received = queue.receive(hidden_seconds=30)
    queue.sqs.now += 30

    assert queue.extend(received, 30) == received
    assert queue.delete(received) == []
    assert queue.sqs.messages == {}


def test_a_handle_that_sqs_never_gave_is_refused() -> None:
    queue = FakeQueue([dead()])

    assert queue.delete([Receipt("made up")]) == [Receipt("made up")]


def test_a_message_has_the_attributes_that_were_asked_for() -> None:
    sqs = FakeSqs([dead()])
    (bare,) = sqs.receive_message(VisibilityTimeout=0)["Messages"]
    (whole,) = sqs.receive_message(MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"])[
        "Messages"
    ]

    assert not {"MessageAttributes", "Attributes"} & bare.keys()
    assert whole["MessageAttributes"].keys() == {"RequestID", "ErrorCode", "ErrorMessage"}
    assert whole["Attributes"]["ApproximateReceiveCount"] == "2"


@pytest.mark.parametrize(
    ("entries", "code"),
    [
        ([], "EmptyBatchRequest"),
        ([{"Id": str(n)} for n in range(11)], "TooManyEntriesInBatchRequest"),
        ([{"Id": "0"}, {"Id": "0"}], "BatchEntryIdsNotDistinct"),
        ([{"Id": "0", "MessageBody": "x" * 1_048_577}], "BatchRequestTooLong"),
    ],
)
def test_a_batch_that_sqs_would_not_take_is_refused(entries: list[dict[str, str]], code: str) -> None:
    with pytest.raises(ClientError, match=code):
        FakeSqs().send_message_batch(Entries=[{"MessageBody": "x"} | one for one in entries])


@pytest.mark.parametrize(
    "wrong", [{"MaxNumberOfMessages": 11}, {"WaitTimeSeconds": 21}, {"VisibilityTimeout": 43_201}]
)
def test_a_receive_that_sqs_would_not_take_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        FakeSqs([dead()]).receive_message(**wrong)  # type: ignore[arg-type]  # one of its numbers


def test_no_more_is_in_flight_than_sqs_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_IN_FLIGHT == 120_000
    monkeypatch.setattr("tests.fakes.sqs.MOST_IN_FLIGHT", 10)
    queue = FakeQueue([dead() for _ in range(11)])
    queue.receive(hidden_seconds=30)

    with pytest.raises(AwsError, match="OverLimit"):
        queue.receive(hidden_seconds=30)


def test_the_counters_lag() -> None:
    queue = FakeQueue([dead() for _ in range(3)], lag_seconds=60)
    queue.receive(hidden_seconds=600)

    assert queue.counters() == Counters(visible=3, hidden=0, delayed=0)
    queue.sqs.now += 60
    assert queue.counters() == Counters(visible=0, hidden=3, delayed=0)


def test_a_poll_that_asked_some_of_the_servers_only_brings_less_than_there_is() -> None:
    queue = FakeQueue([dead() for _ in range(10)], faults=Faults([PARTIAL, PARTIAL]))

    assert queue.receive(hidden_seconds=30, wait_seconds=0) == []
    assert len(queue.receive(hidden_seconds=30, wait_seconds=1)) == 5


@pytest.mark.parametrize(("fault", "stored"), [(LOST_REQUEST, 0), (LOST_ANSWER, 1), (PARTIAL, 1)])
def test_a_send_without_an_answer_may_have_been_done(fault: Fault, stored: int) -> None:
    queue = FakeQueue(faults=Faults([fault]))
    unsent = queue.send([Outgoing(body="{}"), Outgoing(body="[]")][: 1 + (fault is PARTIAL)])

    assert len(queue.sqs.messages) == stored
    assert [one.is_unknown for one in unsent] == [fault is not PARTIAL]


@pytest.mark.parametrize(("error", "later"), [(Crash(), 1), (Killed(), 0)])
def test_after_a_kill_nothing_is_done_any_more(error: BaseException, later: int) -> None:
    queue = FakeQueue([dead()], faults=Faults([Fault.of(error)]))
    with contextlib.suppress(Crash, Killed):
        queue.receive(hidden_seconds=30)
    with contextlib.suppress(Killed):
        queue.send([Outgoing(body="{}")])

    assert len(queue.sqs.sent) == later
