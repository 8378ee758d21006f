"""The redriver among AWS's faults: it ends, it tries each dead letter once a run, and no message is lost."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from b2bpilot.aws.functions import Invocation
from b2bpilot.aws.mappings import MappingState
from b2bpilot.errors import AwsError, Refused
from b2bpilot.pipeline.dead_letter import Shape
from b2bpilot.pipeline.message import PilotMessage, encode
from b2bpilot.pipeline.remote_run import SubscriberEvidence, ended_tags, remote_run
from lambdas.dead_letter_redriver.dead_letters import dead_letter_of
from lambdas.dead_letter_redriver.rules import LONGEST_REST_SECONDS, REST_SECONDS, rest_seconds
from tests.events import SUBSCRIPTION_ARN, TOPIC_ARN, message, ours, sns_event
from tests.fakes.faults import CRASH, DRAWN, NONE, PARTIAL, THROTTLED, Crash, Fault
from tests.fuzz import drawn
from tests.lambdas.redriver_deployment import Deployment, error_of, message_id_of, record_of
from tests.odd_dead_letters import odd_dead_letters

SOME_FAULTS = st.lists(st.sampled_from(DRAWN), max_size=60)


def messages(number: int) -> list[PilotMessage]:
    return [message() for _ in range(number)]


def ids(of: list[PilotMessage]) -> set[str]:
    return {one.message_id for one in of}


GONE_ARN = f"{TOPIC_ARN}:was-made-anew"


def deployment_with(found: list[PilotMessage], *, poison: int = 0, every: int = 1) -> Deployment:
    """A queue in which `poison` messages, one in `every`, always fail."""
    deployment = Deployment(poison=frozenset(one.message_id for one in found[: poison * every : every]))
    deployment.put(found)
    return deployment


def ended(deployment: Deployment) -> str:
    run = remote_run(deployment.all_tags)
    assert run is not None
    return run.ended


def test_what_is_processed_leaves_the_queue_and_the_run_ends() -> None:
    found = messages(25)
    deployment = deployment_with(found)
    deployment.begin()
    deployment.run()
    assert deployment.completed == ids(found)
    assert not deployment.dead_letters
    assert not deployment.state.is_on
    assert ended(deployment) == "nothing is left to try"


def test_dead_letters_of_discarded_messages_stay_as_they_are_and_are_no_failures() -> None:
    found = messages(40)
    deployment = deployment_with(found)
    deployment.discarded = frozenset(one.message_id for one in found[:30])
    before = set(deployment.dead_letters)
    deployment.begin()
    deployment.run()
    assert deployment.completed == ids(found[30:])
    assert set(deployment.dead_letters) < before, "the same dead letters, not new ones in their place"
    assert {
        message_id_of(dead_letter) for dead_letter in deployment.dead_letters.values()
    } == deployment.discarded
    assert not deployment.state.is_on
    assert ended(deployment) == "nothing is left to try"


def test_what_fails_again_is_tried_once_and_is_visible_soon_after_the_end() -> None:
    found = messages(200)
    deployment = deployment_with(found, poison=20, every=10)
    deployment.begin()
    deployment.run()
    assert not deployment.state.is_on
    assert set(deployment.tries.values()) == {1}
    assert {
        message_id_of(dead_letter) for dead_letter in deployment.dead_letters.values()
    } == deployment.poison
    assert len(deployment.dead_letters) == 20
    deployment.time += 10
    assert deployment.visible() == 20


def test_the_dead_letter_that_stays_names_the_run_the_attempt_and_the_new_failure() -> None:
    found = messages(1)
    deployment = deployment_with(found, poison=1)
    deployment.begin(run_id="run-7")
    deployment.run()
    (left,) = deployment.dead_letters.values()
    dead_letter = dead_letter_of(record_of(left))
    assert (dead_letter.redrives, dead_letter.redriven_by) == (1, "run-7")
    assert dead_letter.message is not None
    assert (dead_letter.message.message_id, dead_letter.message.params) == (
        found[0].message_id,
        found[0].params,
    )
    assert error_of(left) == dead_letter.failure.text == "boom \ufffd"


def test_a_message_is_tried_by_three_runs_and_then_set_aside() -> None:
    found = messages(1)
    deployment = deployment_with(found, poison=1)
    for number in range(5):
        deployment.begin(run_id=f"run-{number}")
        deployment.run()
        deployment.time += 60
    assert deployment.tries[found[0].message_id] == 3
    assert len(deployment.dead_letters) == 1


def test_a_mapping_that_cannot_be_turned_off_tries_each_dead_letter_once() -> None:
    """What a dead letter says of itself is enough: nothing here depends on the end of the run."""
    found = messages(4)
    deployment = deployment_with(found, poison=4)
    deployment.begin()
    deployment.disable = lambda: None  # type: ignore[method-assign]
    deployment.run(seconds=2 * 3600)
    assert deployment.state.is_on
    assert set(deployment.tries.values()) == {1}
    assert len(deployment.dead_letters) == 4


def test_dead_letters_that_came_after_the_start_are_not_touched() -> None:
    found, later = messages(5), messages(5)
    deployment = deployment_with(found)
    deployment.begin()
    deployment.put(later)
    deployment.run()
    assert deployment.completed == ids(found)
    assert {message_id_of(dead_letter) for dead_letter in deployment.dead_letters.values()} == ids(later)


@pytest.mark.parametrize("body", ["not JSON", "{}", json.dumps({"Records": [{"s3": {}}]})])
def test_what_cannot_be_read_stays(body: str) -> None:
    deployment = Deployment()
    kept = deployment.put_body(body)
    deployment.put(messages(3))
    deployment.begin()
    deployment.run()
    assert list(deployment.dead_letters) == [kept.id]
    assert not deployment.state.is_on


@given(odd_dead_letters())
def test_an_odd_dead_letter_never_stops_its_batch(odd: dict[str, Any]) -> None:
    healthy = messages(3)
    deployment = Deployment()
    kept = deployment.put_body(odd["Body"], odd.get("MessageAttributes"))
    dead_letter = dead_letter_of(record_of(kept))
    stays = dead_letter.event is None or dead_letter.is_poison
    deployment.put(healthy)
    deployment.begin()
    deployment.run()
    assert ids(healthy) <= deployment.completed
    assert ended(deployment) == "nothing is left to try"
    assert list(deployment.dead_letters) == ([kept.id] if stays else [])
    deployment.time += LONGEST_REST_SECONDS
    assert deployment.visible() == len(deployment.dead_letters)


def test_a_dead_letter_that_cannot_be_tried_stays_and_its_batch_is_processed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = messages(5)

    def invoke(deployment: Deployment, event: Mapping[str, Any]) -> Invocation:
        if found[2].message_id in json.dumps(event):
            raise ValueError("a defect")
        return well(deployment, event)

    well = Deployment.invoke
    monkeypatch.setattr(Deployment, "invoke", invoke)
    deployment = deployment_with(found)
    deployment.begin()
    deployment.run()
    assert deployment.completed == ids(found) - {found[2].message_id}
    assert [message_id_of(dead_letter) for dead_letter in deployment.dead_letters.values()] == [
        found[2].message_id
    ]
    deployment.time += REST_SECONDS
    assert deployment.visible() == 1


def test_too_many_failures_end_the_run_early() -> None:
    found = messages(300)
    deployment = deployment_with(found, poison=300)
    deployment.begin()
    deployment.run()
    assert ended(deployment).startswith("too many failures: 10 of 10")
    assert sum(deployment.tries.values()) <= 10 * deployment.containers
    assert len(deployment.dead_letters) == 300


def test_a_throttled_processor_is_no_failure_of_the_dead_letters() -> None:
    found = messages(30)
    deployment = deployment_with(found)
    deployment.throttles = 8
    deployment.begin()
    deployment.run(seconds=600)
    assert deployment.completed == ids(found)
    assert set(deployment.tries.values()) == {1}
    assert not deployment.dead_letters


def test_a_processor_that_takes_nothing_ends_the_run_long_before_its_time_is_over() -> None:
    """A reserved concurrency of 0 looks like that: every call is throttled, and nobody knows for how long."""
    found = messages(30)
    deployment = deployment_with(found)
    deployment.throttles = 10**9
    deployment.begin()
    deployment.run(seconds=300)
    assert not deployment.state.is_on
    assert (
        ended(deployment)
        == "the processor took no dead letter for 120 s: AWS throttled lambda:InvokeFunction"
    )
    assert {message_id_of(dead_letter) for dead_letter in deployment.dead_letters.values()} == ids(found)
    deployment.time += 10
    assert deployment.visible() == 30


def test_a_throttle_after_a_long_idle_time_does_not_end_the_run() -> None:
    deployment = Deployment(containers=1)
    deployment.put(messages(11))
    deployment.begin()
    deployment.deliver()
    deployment.time += 300
    deployment.throttles = 1
    deployment.deliver()
    assert deployment.state.is_on
    deployment.run(seconds=60)
    assert len(deployment.completed) == 11


def test_dead_letters_that_came_later_do_not_end_a_run_whose_own_wait_for_a_throttled_processor() -> None:
    found = messages(5)
    deployment = Deployment(containers=1)
    deployment.put(found)
    deployment.begin()
    deployment.put(messages(5))
    deployment.throttles = 4
    deployment.run(seconds=600)
    assert deployment.completed == ids(found)


def test_a_lease_that_somebody_holds_is_waited_for() -> None:
    """The processor answers, so it is no throttle: the lease ends with the run that holds it."""
    found = messages(1)
    deployment = deployment_with(found)
    deployment.leased_until = deployment.time + 250
    deployment.begin()
    deployment.run(seconds=600)
    assert deployment.completed == ids(found)


def test_a_container_that_gave_back_all_that_is_hidden_ends_the_run_without_waiting() -> None:
    found = messages(40)
    deployment = Deployment(poison=frozenset(ids(found[:20])), containers=1)
    deployment.put(found[20:] * 4)
    deployment.put(found[:20])
    deployment.begin()
    began = deployment.time
    deployment.run()
    assert ended(deployment) == "nothing is left to try"
    assert len(deployment.dead_letters) == 20
    assert deployment.time - began < 5


def test_dead_letters_that_nobody_may_try_come_back_when_the_run_can_end_and_not_later() -> None:
    """Several containers: none of them knows what the others gave back."""
    found = messages(200)
    deployment = deployment_with(found, poison=20, every=10)
    deployment.begin()
    began = deployment.time
    deployment.run()
    assert ended(deployment) == "nothing is left to try"
    assert deployment.time - began < 20


def test_a_dead_letter_that_was_looked_at_often_is_not_hidden_for_longer_than_the_others() -> None:
    deployment = Deployment()
    unreadable = deployment.put_body("not JSON")
    unreadable.receives = 20
    deployment.put(messages(1))
    deployment.begin()
    deployment.run()
    assert not deployment.state.is_on
    assert unreadable.visible_at - deployment.time <= 10


@pytest.mark.parametrize(("lasted", "rest"), [(1, 10), (60, 30), (900, 450), (7200, 900)])
def test_a_dead_letter_that_waits_for_the_end_rests_the_longer_the_run_lasts(lasted: int, rest: int) -> None:
    deployment = Deployment()
    run = deployment.begin()
    assert rest_seconds(run, run.started_at + timedelta(seconds=lasted)) == rest


def test_what_sqs_did_not_confirm_of_a_batch_of_failures_stays_as_it_was() -> None:
    found = messages(4)
    deployment = deployment_with(found, poison=4)
    before = set(deployment.dead_letters)
    run = deployment.begin()
    deployment.faults.always["send"] = PARTIAL
    deployment.deliver()
    marked = [
        dead_letter_of(record_of(dead_letter)).redriven_by for dead_letter in deployment.dead_letters.values()
    ]
    assert sorted(message_id_of(dead_letter) for dead_letter in deployment.dead_letters.values()) == sorted(
        ids(found)
    )
    assert (marked.count(run.run_id), len(before & set(deployment.dead_letters))) == (2, 2)
    assert ended(deployment).startswith("a failure could not be written to the queue")


def test_the_word_that_a_run_is_over_is_enough_for_the_function_to_end_it() -> None:
    """What a command can still do that cannot disable the mapping."""
    deployment = deployment_with(messages(5))
    deployment.begin()
    deployment.write_tags(ended_tags("the command ended it"))
    deployment.run()
    assert not deployment.state.is_on
    assert not deployment.tries
    assert ended(deployment) == "the command ended it"


def test_the_guard_ends_a_run_whose_time_is_over_although_nobody_calls_the_function() -> None:
    deployment = deployment_with(messages(1))
    deployment.begin(longest=timedelta(minutes=5))
    for dead_letter in deployment.dead_letters.values():
        dead_letter.visible_at = deployment.time + 2160
    deployment.time += 301
    deployment.container().guard()
    assert not deployment.state.is_on
    assert ended(deployment) == "its time is over"


def test_the_guard_touches_the_queue_each_time_also_while_no_redrive_is_on() -> None:
    """SQS reports a queue that nobody touches late, and an alarm that sees nothing rings for nothing."""
    deployment = deployment_with([])
    for times in (1, 2, 3):
        deployment.container().guard()
        assert deployment.queue.sqs.calls.count("counters") == times


def test_the_guard_ends_a_run_whose_time_is_over_although_the_queue_does_not_answer() -> None:
    deployment = deployment_with(messages(1))
    deployment.begin(longest=timedelta(minutes=5))
    deployment.time += 301
    deployment.plan(THROTTLED)
    with pytest.raises(AwsError):
        deployment.container().guard()
    assert not deployment.state.is_on
    assert ended(deployment) == "its time is over"


def test_messages_that_keep_coming_neither_loop_nor_keep_the_run_on() -> None:
    found = messages(20)
    deployment = deployment_with(found, poison=2, every=10)
    deployment.begin()
    for _ in range(60):
        deployment.put(messages(1))
        deployment.deliver()
        deployment.time += 1
    deployment.run(seconds=300)
    assert not deployment.state.is_on
    assert set(deployment.tries) == ids(found)
    assert set(deployment.tries.values()) == {1}


def test_a_dead_letter_is_not_begun_without_the_time_to_end_it() -> None:
    deployment = deployment_with(messages(2))
    deployment.begin()
    dead_letters = [
        dead_letter_of(record_of(dead_letter)) for dead_letter in deployment.dead_letters.values()
    ]
    assert deployment.container().redrive(dead_letters, seconds_left=lambda: 300) == [
        ours(one) for one in dead_letters
    ]
    assert not deployment.tries


def test_a_mapping_that_somebody_turned_on_by_hand_is_turned_off() -> None:
    deployment = deployment_with(messages(5))
    deployment.enable(max_concurrency=2)
    deployment.run()
    assert not deployment.state.is_on
    assert not deployment.tries
    assert len(deployment.dead_letters) == 5


def test_a_run_ends_when_its_time_is_over() -> None:
    found = messages(5)
    deployment = deployment_with(found)
    deployment.begin(longest=timedelta(minutes=5))
    deployment.time += 301
    deployment.run()
    assert ended(deployment) == "its time is over"
    assert not deployment.tries


def test_the_guard_ends_a_run_whose_queue_is_empty_and_no_other() -> None:
    deployment = deployment_with([])
    deployment.begin()
    deployment.container().guard()
    assert deployment.state.is_on, "SQS's counters may not know yet"
    deployment.time += 120
    deployment.container().guard()
    assert not deployment.state.is_on
    assert ended(deployment) == "nothing is left in the queue"


def test_the_end_of_one_run_is_not_the_end_of_the_next() -> None:
    deployment = deployment_with(messages(1))
    deployment.begin(run_id="first")
    late = deployment.container()
    late.redrive([], seconds_left=lambda: 360)
    deployment.state = MappingState.DISABLED
    deployment.begin(run_id="second")
    late.redrive([], seconds_left=lambda: 360)
    assert deployment.state.is_on


def test_a_second_run_is_refused() -> None:
    deployment = deployment_with(messages(1))
    deployment.begin(run_id="first")
    with pytest.raises(Refused, match="enabled already for run first"):
        deployment.begin(run_id="second")


@settings(max_examples=drawn(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(faults=SOME_FAULTS, size=st.integers(1, 45), poison=st.integers(0, 5))
def test_no_fault_loses_a_message_and_every_run_ends(faults: list[Fault], size: int, poison: int) -> None:
    found = messages(size)
    deployment = deployment_with(found, poison=min(poison, size))
    deployment.begin()
    deployment.plan(*faults)
    for _ in range(500):
        if not deployment.state.is_on:
            break
        if not deployment.deliver():
            deployment.time += 20
        assert deployment.safe() >= ids(found)
        left = {message_id_of(dead_letter) for dead_letter in deployment.dead_letters.values()}
        assert ids(found) - left <= deployment.completed
    for _ in range(80):
        if deployment.state.is_on:
            deployment.time += 300
            with contextlib.suppress(AwsError, Crash):
                deployment.container().guard()
    assert not deployment.state.is_on
    assert deployment.safe() == ids(found)


def test_the_records_of_a_mapping_read_like_those_of_the_queue() -> None:
    event = sns_event(message(), redrive={"run_id": "earlier", "attempt": 2})
    record = {
        "messageId": "1",
        "receiptHandle": "AQEB",
        "body": json.dumps(event),
        "attributes": {"SentTimestamp": "1791564206327", "ApproximateReceiveCount": "4"},
        "messageAttributes": {
            "ErrorMessage": {"dataType": "String", "stringValue": "Task timed out after 300.00 seconds"},
            "Noise": {"dataType": "Binary", "binaryValue": "AgME"},
        },
    }
    dead_letter = dead_letter_of(record)
    assert (dead_letter.queue_message_id, dead_letter.receipt_handle, dead_letter.receive_count) == (
        "1",
        "AQEB",
        4,
    )
    assert (dead_letter.failure.kind, dead_letter.redrives, dead_letter.event) == ("timeout", 2, event)
    assert dead_letter.sent_at is not None


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"body": "x"},
        {"messageAttributes": {"a": None}},
        {"messageAttributes": [1], "attributes": "x"},
        {"messageAttributes": {"ErrorMessage": {"stringValue": 5}}, "attributes": {"SentTimestamp": []}},
    ],
)
def test_no_record_stops_the_batch(record: dict[str, object]) -> None:
    assert dead_letter_of(record).unreadable


def test_a_crash_in_the_middle_of_a_batch_leaves_its_dead_letters_to_the_same_run() -> None:
    found = messages(3)
    deployment = deployment_with(found)
    deployment.begin()
    deployment.plan(NONE, NONE, CRASH)
    deployment.deliver()
    assert len(deployment.dead_letters) == 3
    deployment.run(seconds=3600)
    assert deployment.completed == ids(found)
    assert not deployment.state.is_on


def test_what_is_another_subscriber_s_stays_with_its_id_its_body_and_its_attributes() -> None:
    deployment = deployment_with(messages(3))
    own = set(deployment.dead_letters)
    theirs = sns_event(message())
    theirs["Records"][0]["EventSubscriptionArn"] = f"{SUBSCRIPTION_ARN[:-1]}0"
    kept = deployment.put_body(
        json.dumps(theirs), {"ErrorMessage": {"DataType": "String", "StringValue": "boom"}}
    )
    before = (kept.id, kept.body, dict(kept.attributes))
    deployment.begin()
    deployment.run()

    assert not own & set(deployment.dead_letters)
    assert [(one.id, one.body, dict(one.attributes)) for one in deployment.dead_letters.values()] == [before]
    assert message_id_of(kept) not in deployment.tries


@pytest.mark.parametrize(
    "evidence", [SubscriberEvidence(), SubscriberEvidence(gone=frozenset({GONE_ARN}), nameless_are_ours=True)]
)
def test_a_subscription_that_is_gone_is_tried_only_when_it_was_adopted(evidence: SubscriberEvidence) -> None:
    gone = sns_event(message())
    gone["Records"][0]["EventSubscriptionArn"] = GONE_ARN
    for adopted in (frozenset[str](), frozenset({GONE_ARN})):
        deployment = Deployment(evidence=replace(evidence, adopted=adopted))
        deployment.put_body(json.dumps(gone))
        deployment.begin()
        deployment.run()
        assert bool(deployment.dead_letters) is not bool(adopted)


@pytest.mark.parametrize(("to", "is_ours"), [({}, True), ({"subscriber": "arn:aws:lambda:::billing"}, False)])
def test_the_mark_of_a_redrive_to_another_subscriber_takes_nothing_that_is_gone(
    to: dict[str, str], is_ours: bool
) -> None:
    gone = sns_event(message(), redrive={"run_id": "r", "attempt": 1, **to})
    gone["Records"][0]["EventSubscriptionArn"] = GONE_ARN
    deployment = Deployment(evidence=SubscriberEvidence(gone=frozenset({GONE_ARN}), nameless_are_ours=True))
    deployment.put_body(json.dumps(gone))
    deployment.begin()
    deployment.run()

    assert bool(deployment.dead_letters) is not is_ours


def test_a_subscription_that_a_repair_made_anew_is_ours_by_the_command_s_word() -> None:
    made_anew = sns_event(message())
    made_anew["Records"][0]["EventSubscriptionArn"] = GONE_ARN
    deployment = Deployment(evidence=SubscriberEvidence(own=frozenset({GONE_ARN})))
    deployment.put_body(json.dumps(made_anew))
    deployment.begin()
    deployment.run()

    assert not deployment.dead_letters


def test_what_names_nothing_is_tried_only_when_the_command_saw_that_nobody_shares_the_queue() -> None:
    for is_ours in (False, True):
        deployment = Deployment(evidence=SubscriberEvidence(nameless_are_ours=is_ours))
        deployment.put_body(encode(message()).body)
        deployment.begin()
        deployment.run()
        assert bool(deployment.dead_letters) is not is_ours


def test_what_an_earlier_run_adopted_is_not_adopted_for_the_next() -> None:
    """The mapping keeps the tags of every run."""
    gone = sns_event(message())
    gone["Records"][0]["EventSubscriptionArn"] = GONE_ARN
    deployment = Deployment(evidence=SubscriberEvidence(adopted=frozenset({GONE_ARN})))
    deployment.put(messages(1))
    deployment.begin()
    deployment.run()
    deployment.evidence = SubscriberEvidence()
    deployment.put_body(json.dumps(gone))
    deployment.begin(run_id="run-2")
    deployment.run()

    assert deployment.dead_letters


def test_a_raw_dead_letter_that_fails_again_stays_what_it_is() -> None:
    sent = message()
    deployment = Deployment(poison=frozenset({sent.message_id}))
    deployment.put_body(encode(sent).body)
    deployment.begin()
    deployment.run()

    (again,) = (dead_letter_of(record_of(one)) for one in deployment.dead_letters.values())
    assert (again.shape, again.redrives) == (Shape.RAW, 1)
    assert again.addressee.subscription_arn is None
