"""The redriver among AWS's faults: it ends, it tries each letter once a run, and no message is lost."""

from __future__ import annotations

import contextlib
import itertools
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
from b2bpilot.pipeline.remote_run import Evidence, ended_tags, remote_run
from lambdas.dead_letter_redriver.letters import letter_of
from lambdas.dead_letter_redriver.rules import LONGEST_REST_SECONDS, REST_SECONDS, rest_seconds
from tests.events import SUBSCRIPTION_ARN, TOPIC_ARN, message, ours, sns_event
from tests.fuzz import examples
from tests.lambdas.redriver_world import Crash, Fault, World, error_of
from tests.odd_letters import odd_letters

SOME_FAULTS = st.lists(st.sampled_from(Fault), max_size=60)


def messages(number: int) -> list[PilotMessage]:
    return [message() for _ in range(number)]


def ids(of: list[PilotMessage]) -> set[str]:
    return {one.message_id for one in of}


GONE_ARN = f"{TOPIC_ARN}:was-made-anew"


def world_with(found: list[PilotMessage], *, poison: int = 0, every: int = 1) -> World:
    """A queue in which `poison` messages, one in `every`, always fail."""
    world = World(poison=frozenset(one.message_id for one in found[: poison * every : every]))
    world.put(found)
    return world


def ended(world: World) -> str:
    run = remote_run(world.all_tags)
    assert run is not None
    return run.ended


def test_what_is_processed_leaves_the_queue_and_the_run_ends() -> None:
    found = messages(25)
    world = world_with(found)
    world.begin()
    world.run()
    assert world.completed == ids(found)
    assert not world.letters
    assert not world.state.is_on
    assert ended(world) == "nothing is left to try"


def test_letters_of_discarded_messages_stay_as_they_are_and_are_no_failures() -> None:
    found = messages(40)
    world = world_with(found)
    world.discarded = frozenset(one.message_id for one in found[:30])
    before = set(world.letters)
    world.begin()
    world.run()
    assert world.completed == ids(found[30:])
    assert set(world.letters) < before, "the same letters, not new ones in their place"
    assert {letter.message_id for letter in world.letters.values()} == world.discarded
    assert not world.state.is_on
    assert ended(world) == "nothing is left to try"


def test_what_fails_again_is_tried_once_and_is_visible_soon_after_the_end() -> None:
    found = messages(200)
    world = world_with(found, poison=20, every=10)
    world.begin()
    world.run()
    assert not world.state.is_on
    assert set(world.tries.values()) == {1}
    assert {letter.message_id for letter in world.letters.values()} == world.poison
    assert len(world.letters) == 20
    world.time += 10
    assert world.visible() == 20


def test_the_letter_that_stays_names_the_run_the_attempt_and_the_new_failure() -> None:
    found = messages(1)
    world = world_with(found, poison=1)
    world.begin(run_id="run-7")
    world.run()
    (left,) = world.letters.values()
    letter = letter_of(left.record())
    assert (letter.redrives, letter.redriven_by) == (1, "run-7")
    assert letter.message is not None
    assert (letter.message.message_id, letter.message.params) == (found[0].message_id, found[0].params)
    assert error_of(left) == letter.failure.text == "boom \ufffd"


def test_a_message_is_tried_by_three_runs_and_then_set_aside() -> None:
    found = messages(1)
    world = world_with(found, poison=1)
    for number in range(5):
        world.begin(run_id=f"run-{number}")
        world.run()
        world.time += 60
    assert world.tries[found[0].message_id] == 3
    assert len(world.letters) == 1


def test_a_mapping_that_cannot_be_turned_off_tries_each_letter_once() -> None:
    """What a letter says of itself is enough: nothing here depends on the end of the run."""
    found = messages(4)
    world = world_with(found, poison=4)
    world.begin()
    world.disable = lambda: None  # type: ignore[method-assign]
    world.run(seconds=2 * 3600)
    assert world.state.is_on
    assert set(world.tries.values()) == {1}
    assert len(world.letters) == 4


def test_letters_that_came_after_the_start_are_not_touched() -> None:
    found, later = messages(5), messages(5)
    world = world_with(found)
    world.begin()
    world.put(later)
    world.run()
    assert world.completed == ids(found)
    assert {letter.message_id for letter in world.letters.values()} == ids(later)


@pytest.mark.parametrize("body", ["not JSON", "{}", json.dumps({"Records": [{"s3": {}}]})])
def test_what_cannot_be_read_stays(body: str) -> None:
    world = World()
    kept = world.put_body(body)
    world.put(messages(3))
    world.begin()
    world.run()
    assert list(world.letters) == [kept.id]
    assert not world.state.is_on


@given(odd_letters())
def test_an_odd_letter_never_stops_its_batch(odd: dict[str, Any]) -> None:
    healthy = messages(3)
    world = World()
    kept = world.put_body(odd["Body"], odd.get("MessageAttributes"))
    letter = letter_of(kept.record())
    stays = letter.event is None or letter.is_poison
    world.put(healthy)
    world.begin()
    world.run()
    assert ids(healthy) <= world.completed
    assert ended(world) == "nothing is left to try"
    assert list(world.letters) == ([kept.id] if stays else [])
    world.time += LONGEST_REST_SECONDS
    assert world.visible() == len(world.letters)


def test_a_letter_that_cannot_be_tried_stays_and_its_batch_is_processed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = messages(5)

    def invoke(world: World, event: Mapping[str, Any]) -> Invocation:
        if found[2].message_id in json.dumps(event):
            raise ValueError("a defect")
        return well(world, event)

    well = World.invoke
    monkeypatch.setattr(World, "invoke", invoke)
    world = world_with(found)
    world.begin()
    world.run()
    assert world.completed == ids(found) - {found[2].message_id}
    assert [letter.message_id for letter in world.letters.values()] == [found[2].message_id]
    world.time += REST_SECONDS
    assert world.visible() == 1


def test_too_many_failures_end_the_run_early() -> None:
    found = messages(300)
    world = world_with(found, poison=300)
    world.begin()
    world.run()
    assert ended(world).startswith("too many failures: 10 of 10")
    assert sum(world.tries.values()) <= 10 * world.containers
    assert len(world.letters) == 300


def test_a_throttled_processor_is_no_failure_of_the_letters() -> None:
    found = messages(30)
    world = world_with(found)
    world.throttles = 8
    world.begin()
    world.run(seconds=600)
    assert world.completed == ids(found)
    assert set(world.tries.values()) == {1}
    assert not world.letters


def test_a_processor_that_takes_nothing_ends_the_run_long_before_its_time_is_over() -> None:
    """A reserved concurrency of 0 looks like that: every call is throttled, and nobody knows for how long."""
    found = messages(30)
    world = world_with(found)
    world.throttles = 10**9
    world.begin()
    world.run(seconds=300)
    assert not world.state.is_on
    assert ended(world) == "the processor took no letter for 120 s: AWS throttled lambda:InvokeFunction"
    assert {letter.message_id for letter in world.letters.values()} == ids(found)
    world.time += 10
    assert world.visible() == 30


def test_a_throttle_after_a_long_idle_time_does_not_end_the_run() -> None:
    world = World(containers=1)
    world.put(messages(11))
    world.begin()
    world.deliver()
    world.time += 300
    world.throttles = 1
    world.deliver()
    assert world.state.is_on
    world.run(seconds=60)
    assert len(world.completed) == 11


def test_letters_that_came_later_do_not_end_a_run_whose_own_wait_for_a_throttled_processor() -> None:
    found = messages(5)
    world = World(containers=1)
    world.put(found)
    world.begin()
    world.put(messages(5))
    world.throttles = 4
    world.run(seconds=600)
    assert world.completed == ids(found)


def test_a_lease_that_somebody_holds_is_waited_for() -> None:
    """The processor answers, so it is no throttle: the lease ends with the run that holds it."""
    found = messages(1)
    world = world_with(found)
    world.leased_until = world.time + 250
    world.begin()
    world.run(seconds=600)
    assert world.completed == ids(found)


def test_a_container_that_gave_back_all_that_is_hidden_ends_the_run_without_waiting() -> None:
    found = messages(40)
    world = World(poison=frozenset(ids(found[:20])), containers=1)
    world.put(found[20:] * 4)
    world.put(found[:20])
    world.begin()
    began = world.time
    world.run()
    assert ended(world) == "nothing is left to try"
    assert len(world.letters) == 20
    assert world.time - began < 5


def test_letters_that_nobody_may_try_come_back_when_the_run_can_end_and_not_later() -> None:
    """Several containers: none of them knows what the others gave back."""
    found = messages(200)
    world = world_with(found, poison=20, every=10)
    world.begin()
    began = world.time
    world.run()
    assert ended(world) == "nothing is left to try"
    assert world.time - began < 20


def test_a_letter_that_was_looked_at_often_is_not_hidden_for_longer_than_the_others() -> None:
    world = World()
    unreadable = world.put_body("not JSON")
    unreadable.receive_count = 20
    world.put(messages(1))
    world.begin()
    world.run()
    assert not world.state.is_on
    assert unreadable.visible_at - world.time <= 10


@pytest.mark.parametrize(("lasted", "rest"), [(1, 10), (60, 30), (900, 450), (7200, 900)])
def test_a_letter_that_waits_for_the_end_rests_the_longer_the_run_lasts(lasted: int, rest: int) -> None:
    world = World()
    run = world.begin()
    assert rest_seconds(run, run.started_at + timedelta(seconds=lasted)) == rest


def test_what_sqs_did_not_confirm_of_a_batch_of_failures_stays_as_it_was() -> None:
    found = messages(4)
    world = world_with(found, poison=4)
    before = set(world.letters)
    run = world.begin()
    world.partial_sends = 1
    world.deliver()
    marked = [letter_of(letter.record()).redriven_by for letter in world.letters.values()]
    assert sorted(letter.message_id for letter in world.letters.values()) == sorted(ids(found))
    assert (marked.count(run.run_id), len(before & set(world.letters))) == (2, 2)
    assert ended(world).startswith("a failure could not be written to the queue")


def test_the_word_that_a_run_is_over_is_enough_for_the_function_to_end_it() -> None:
    """What a command can still do that cannot disable the mapping."""
    world = world_with(messages(5))
    world.begin()
    world.write_tags(ended_tags("the command ended it"))
    world.run()
    assert not world.state.is_on
    assert not world.tries
    assert ended(world) == "the command ended it"


def test_the_guard_ends_a_run_whose_time_is_over_although_nobody_calls_the_function() -> None:
    world = world_with(messages(1))
    world.begin(longest=timedelta(minutes=5))
    for letter in world.letters.values():
        letter.visible_at = world.time + 2160
    world.time += 301
    world.container().guard()
    assert not world.state.is_on
    assert ended(world) == "its time is over"


def test_the_guard_touches_the_queue_each_time_also_while_no_redrive_is_on() -> None:
    """SQS reports a queue that nobody touches late, and an alarm that sees nothing rings for nothing."""
    world = world_with([])
    for times in (1, 2, 3):
        world.container().guard()
        assert world.counted == times


def test_the_guard_ends_a_run_whose_time_is_over_although_the_queue_does_not_answer() -> None:
    world = world_with(messages(1))
    world.begin(longest=timedelta(minutes=5))
    world.time += 301
    world.faults = itertools.chain([Fault.THROTTLED], itertools.repeat(Fault.NONE))
    with pytest.raises(AwsError):
        world.container().guard()
    assert not world.state.is_on
    assert ended(world) == "its time is over"


def test_messages_that_keep_coming_neither_loop_nor_keep_the_run_on() -> None:
    found = messages(20)
    world = world_with(found, poison=2, every=10)
    world.begin()
    for _ in range(60):
        world.put(messages(1))
        world.deliver()
        world.time += 1
    world.run(seconds=300)
    assert not world.state.is_on
    assert set(world.tries) == ids(found)
    assert set(world.tries.values()) == {1}


def test_a_letter_is_not_begun_without_the_time_to_end_it() -> None:
    world = world_with(messages(2))
    world.begin()
    letters = [letter_of(letter.record()) for letter in world.letters.values()]
    assert world.container().redrive(letters, seconds_left=lambda: 300) == [ours(one) for one in letters]
    assert not world.tries


def test_a_mapping_that_somebody_turned_on_by_hand_is_turned_off() -> None:
    world = world_with(messages(5))
    world.enable(max_concurrency=2)
    world.run()
    assert not world.state.is_on
    assert not world.tries
    assert len(world.letters) == 5


def test_a_run_ends_when_its_time_is_over() -> None:
    found = messages(5)
    world = world_with(found)
    world.begin(longest=timedelta(minutes=5))
    world.time += 301
    world.run()
    assert ended(world) == "its time is over"
    assert not world.tries


def test_the_guard_ends_a_run_whose_queue_is_empty_and_no_other() -> None:
    world = world_with([])
    world.begin()
    world.container().guard()
    assert world.state.is_on, "SQS's counters may not know yet"
    world.time += 120
    world.container().guard()
    assert not world.state.is_on
    assert ended(world) == "nothing is left in the queue"


def test_the_end_of_one_run_is_not_the_end_of_the_next() -> None:
    world = world_with(messages(1))
    world.begin(run_id="first")
    late = world.container()
    late.redrive([], seconds_left=lambda: 360)
    world.state = MappingState.DISABLED
    world.begin(run_id="second")
    late.redrive([], seconds_left=lambda: 360)
    assert world.state.is_on


def test_a_second_run_is_refused() -> None:
    world = world_with(messages(1))
    world.begin(run_id="first")
    with pytest.raises(Refused, match="enabled already for run first"):
        world.begin(run_id="second")


@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(faults=SOME_FAULTS, size=st.integers(1, 45), poison=st.integers(0, 5))
def test_no_fault_loses_a_message_and_every_run_ends(faults: list[Fault], size: int, poison: int) -> None:
    found = messages(size)
    world = world_with(found, poison=min(poison, size))
    world.begin()
    world.faults = itertools.chain(faults, itertools.repeat(Fault.NONE))
    for _ in range(500):
        if not world.state.is_on:
            break
        if not world.deliver():
            world.time += 20
        assert world.safe() >= ids(found)
        left = {letter.message_id for letter in world.letters.values()}
        assert ids(found) - left <= world.completed
    for _ in range(80):
        if world.state.is_on:
            world.time += 300
            with contextlib.suppress(AwsError, Crash):
                world.container().guard()
    assert not world.state.is_on
    assert world.safe() == ids(found)


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
    letter = letter_of(record)
    assert (letter.queue_message_id, letter.receipt_handle, letter.receive_count) == ("1", "AQEB", 4)
    assert (letter.failure.kind, letter.redrives, letter.event) == ("timeout", 2, event)
    assert letter.sent_at is not None


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
    assert letter_of(record).unreadable


def test_a_crash_in_the_middle_of_a_batch_leaves_its_letters_to_the_same_run() -> None:
    found = messages(3)
    world = world_with(found)
    world.begin()
    world.faults = itertools.chain([Fault.NONE, Fault.NONE, Fault.CRASH], itertools.repeat(Fault.NONE))
    world.deliver()
    assert len(world.letters) == 3
    world.run(seconds=3600)
    assert world.completed == ids(found)
    assert not world.state.is_on


def test_what_is_another_subscriber_s_stays_with_its_id_its_body_and_its_attributes() -> None:
    world = world_with(messages(3))
    own = set(world.letters)
    theirs = sns_event(message())
    theirs["Records"][0]["EventSubscriptionArn"] = f"{SUBSCRIPTION_ARN[:-1]}0"
    kept = world.put_body(json.dumps(theirs), {"ErrorMessage": {"DataType": "String", "StringValue": "boom"}})
    before = (kept.id, kept.body, dict(kept.attributes))
    world.begin()
    world.run()

    assert not own & set(world.letters)
    assert [(one.id, one.body, dict(one.attributes)) for one in world.letters.values()] == [before]
    assert kept.message_id not in world.tries


@pytest.mark.parametrize(
    "evidence", [Evidence(), Evidence(gone=frozenset({GONE_ARN}), nameless_are_ours=True)]
)
def test_a_subscription_that_is_gone_is_tried_only_when_it_was_adopted(evidence: Evidence) -> None:
    gone = sns_event(message())
    gone["Records"][0]["EventSubscriptionArn"] = GONE_ARN
    for adopted in (frozenset[str](), frozenset({GONE_ARN})):
        world = World(evidence=replace(evidence, adopted=adopted))
        world.put_body(json.dumps(gone))
        world.begin()
        world.run()
        assert bool(world.letters) is not bool(adopted)


def test_a_subscription_that_a_repair_made_anew_is_ours_by_the_command_s_word() -> None:
    made_anew = sns_event(message())
    made_anew["Records"][0]["EventSubscriptionArn"] = GONE_ARN
    world = World(evidence=Evidence(own=frozenset({GONE_ARN})))
    world.put_body(json.dumps(made_anew))
    world.begin()
    world.run()

    assert not world.letters


def test_what_names_nothing_is_tried_only_when_the_command_saw_that_nobody_shares_the_queue() -> None:
    for is_ours in (False, True):
        world = World(evidence=Evidence(nameless_are_ours=is_ours))
        world.put_body(encode(message()).body)
        world.begin()
        world.run()
        assert bool(world.letters) is not is_ours


def test_what_an_earlier_run_adopted_is_not_adopted_for_the_next() -> None:
    """The mapping keeps the tags of every run."""
    gone = sns_event(message())
    gone["Records"][0]["EventSubscriptionArn"] = GONE_ARN
    world = World(evidence=Evidence(adopted=frozenset({GONE_ARN})))
    world.put(messages(1))
    world.begin()
    world.run()
    world.evidence = Evidence()
    world.put_body(json.dumps(gone))
    world.begin(run_id="run-2")
    world.run()

    assert world.letters


def test_a_raw_dead_letter_that_fails_again_stays_what_it_is() -> None:
    sent = message()
    world = World(poison=frozenset({sent.message_id}))
    world.put_body(encode(sent).body)
    world.begin()
    world.run()

    (again,) = (letter_of(one.record()) for one in world.letters.values())
    assert (again.shape, again.redrives) == (Shape.RAW, 1)
    assert again.addressee.subscription_arn is None
