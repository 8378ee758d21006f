"""The command's side of a redrive inside AWS."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from b2bpilot.aws.functions import Invocation
from b2bpilot.aws.mappings import MappingReading, MappingState
from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.errors import (
    AwsDenied,
    AwsError,
    AwsThrottled,
    AwsUnreachable,
    PartlyFailed,
    Refused,
    UsageError,
)
from b2bpilot.ops.redrive_in_aws import switch as remote
from b2bpilot.ops.redrive_in_aws.switch import StillOn, ended_by
from b2bpilot.ops.redrive_in_aws.watch import stop, watch
from b2bpilot.pipeline.remote_run import RemoteRun, ended_tags, remote_run
from tests.clock import StillClock
from tests.fakes.sqs import FakeQueue

NOW = datetime(2026, 11, 23, 19, 45, 1, tzinfo=UTC)


@dataclass
class Mapping:
    """`refusals` are raised, one by one, by `disable`; `interruptions` by looks, and `denied` by what writes tags."""

    state: MappingState = MappingState.DISABLED
    all_tags: dict[str, str] = field(default_factory=dict)
    refusals: list[BaseException] = field(default_factory=list)
    interruptions: list[AwsError] = field(default_factory=list)
    denied: AwsError | None = None
    now: datetime = NOW
    off_command: str = "aws lambda ... --no-enabled"

    def read(self) -> MappingReading:
        if self.interruptions:
            raise self.interruptions.pop(0)
        return MappingReading(state=self.state, max_concurrency=2, read_at=self.now)

    def enable(self, *, max_concurrency: int) -> None:
        self.state = MappingState.ENABLED

    def disable(self) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.state = MappingState.DISABLED

    def tags(self) -> dict[str, str]:
        return dict(self.all_tags)

    def write_tags(self, tags: dict[str, str]) -> None:
        if self.denied:
            raise self.denied
        self.all_tags |= tags


def showing(*visible: int) -> FakeQueue:
    """A queue that counts so many dead letters, one number per look; the last one for ever."""
    shown = list(visible)
    return FakeQueue(
        counters_say=lambda _: Counters(
            visible=shown.pop(0) if len(shown) > 1 else shown[0], hidden=0, delayed=0
        )
    )


pytestmark = pytest.mark.usefixtures("clock")


@dataclass
class Function:
    """`answer` is what a run of it says, or raises."""

    reserve: int | None = 10
    answer: Invocation | AwsError = field(
        default_factory=lambda: Invocation(
            error=None, result={"batchItemFailures": [], "knows_owners": True}, log_tail=""
        )
    )
    name: str = "the-function"

    def reserved_concurrency(self) -> int | None:
        return self.reserve

    def invoke(self, event: dict[str, object]) -> Invocation:
        if isinstance(self.answer, AwsError):
            raise self.answer
        return self.answer


def announced(mapping: Mapping, run_id: str = "run-1") -> RemoteRun:
    return remote.announce(mapping, run_id=run_id, max_failures=0.2, longest=timedelta(hours=1))


def running() -> tuple[Mapping, RemoteRun]:
    mapping = Mapping()
    run = announced(mapping)
    mapping.enable(max_concurrency=2)
    return mapping, run


def ended_of(mapping: Mapping) -> str:
    run = remote_run(mapping.all_tags)
    assert run is not None
    return run.ended


def test_a_run_is_announced_by_aws_s_clock_before_the_mapping_is_on() -> None:
    mapping = Mapping()
    run = announced(mapping)
    assert remote_run(mapping.all_tags) == run
    assert (run.started_at, run.ends_at) == (NOW + timedelta(seconds=1), NOW + timedelta(seconds=3601))
    assert not mapping.state.is_on


def test_a_new_run_has_no_end_of_the_one_before() -> None:
    mapping = Mapping(all_tags=ended_tags("too many failures: 10 of 12 (83 %)"))
    assert announced(mapping).ended == ""
    assert remote_run(mapping.all_tags) == announced(mapping)


def test_another_run_is_refused_by_its_name() -> None:
    mapping = Mapping()
    announced(mapping, "run-1")
    mapping.enable(max_concurrency=2)
    with pytest.raises(Refused, match="enabled already for run run-1"):
        announced(mapping, "run-2")


def test_a_mapping_that_somebody_left_on_is_refused_with_the_way_to_turn_it_off() -> None:
    mapping = Mapping(state=MappingState.ENABLED)
    with pytest.raises(Refused, match="is enabled, though no redrive is on") as caught:
        announced(mapping)
    assert mapping.off_command in str(caught.value.hint)
    assert mapping.all_tags == {}


def test_a_mapping_that_is_on_for_a_run_that_is_over_is_nobodys() -> None:
    mapping = Mapping()
    announced(mapping, "run-1")
    mapping.write_tags(ended_tags("its time is over"))
    mapping.enable(max_concurrency=2)
    with pytest.raises(Refused, match="though no redrive is on"):
        announced(mapping, "run-2")


def test_watching_ends_with_the_run_and_says_why(clock: StillClock) -> None:
    mapping, run = running()

    def end() -> None:
        mapping.disable()
        mapping.write_tags(ended_tags("nothing is left to try"))

    clock.at[1] = end
    looks = list(watch(mapping, showing(3), run))
    assert [look.state for look in looks] == ["Enabled", "Disabled"]
    assert (looks[-1].ended, looks[-1].counters.total) == ("nothing is left to try", 3)


def test_an_empty_queue_ends_the_run_when_it_stays_empty() -> None:
    mapping, run = running()
    looks = list(watch(mapping, showing(9, 0, 0, 4, 0), run))
    assert [look.counters.total for look in looks] == [9, 0, 0, 4, 0, 0, 0, 0, 0, 0]
    assert (looks[-1].state, looks[-1].ended) == ("Disabled", "nothing is left in the queue")


def test_a_run_that_the_function_does_not_end_is_ended_when_its_time_is_over(clock: StillClock) -> None:
    """The function may not start: then nobody else looks at the time."""
    mapping, run = running()

    def too_late() -> None:
        mapping.now = run.ends_at

    clock.at[3] = too_late
    looks = list(watch(mapping, showing(*range(99, 0, -1)), run))
    assert (len(looks), looks[-1].state, looks[-1].ended) == (5, "Disabled", "its time is over")


def test_a_run_in_which_nothing_moves_is_ended_long_before(clock: StillClock) -> None:
    mapping, run = running()
    looks = list(watch(mapping, showing(40), run))
    assert looks[-1].ended == "nothing moved in the queue for 10 minutes"
    assert 600 <= clock.now < 610


def test_a_look_that_aws_does_not_answer_does_not_end_the_run() -> None:
    mapping, run = running()
    mapping.interruptions = [AwsThrottled("slow down"), AwsUnreachable("no answer")]
    looks = list(watch(mapping, showing(0), run))
    assert looks[-1].ended == "nothing is left in the queue"


def test_of_two_runs_that_begin_at_once_the_later_goes_on_and_the_other_says_so() -> None:
    mapping = Mapping()
    first, second = announced(mapping, "run-1"), announced(mapping, "run-2")
    mapping.enable(max_concurrency=2)
    mapping.enable(max_concurrency=2)
    with (
        pytest.raises(PartlyFailed, match="run run-2 replaced run-1"),
        ended_by(mapping, first),
    ):
        list(watch(mapping, showing(3), first))
    assert mapping.state.is_on
    assert remote_run(mapping.all_tags) == second


def test_stopping_asks_again_while_lambda_makes_an_earlier_change(clock: StillClock) -> None:
    mapping, run = running()
    mapping.refusals = [AwsError("ResourceInUseException")] * 3
    stop(mapping, run, because="the command ended it")
    assert not mapping.state.is_on
    assert len(clock.pauses) == 3
    assert mapping.tags()["b2bpilot:redrive-ended"] == "the command ended it"


def test_stopping_gives_up_at_once_without_the_right_to() -> None:
    mapping, run = running()
    mapping.refusals = [AwsDenied("no")]
    with pytest.raises(AwsDenied):
        stop(mapping, run, because="x")


def test_what_cannot_be_disabled_is_at_least_told_that_it_is_over() -> None:
    """The function reads it, tries no more dead letters, and disables the mapping itself."""
    mapping, run = running()
    mapping.refusals = [AwsDenied("no")]
    with pytest.raises(AwsDenied):
        stop(mapping, run, because="the command ended it")
    assert ended_of(mapping) == "the command ended it"


def test_what_cannot_be_told_is_disabled() -> None:
    mapping, run = running()
    mapping.denied = AwsDenied("no tags")
    with pytest.raises(AwsDenied):
        stop(mapping, run, because="x")
    assert not mapping.state.is_on


def test_stopping_one_run_leaves_the_next_alone() -> None:
    mapping = Mapping()
    first = announced(mapping, "run-1")
    announced(mapping, "run-2")
    mapping.enable(max_concurrency=2)
    stop(mapping, first, because="x")
    assert mapping.state.is_on
    assert ended_of(mapping) == ""


def test_a_mapping_whose_tags_are_gone_is_turned_off() -> None:
    mapping, run = running()
    mapping.all_tags.clear()
    stop(mapping, run, because="x")
    assert not mapping.state.is_on


def test_the_reason_of_a_run_that_ended_by_itself_stays() -> None:
    mapping, run = running()
    mapping.write_tags(ended_tags("its time is over"))
    stop(mapping, run, because="the command ended it")
    assert ended_of(mapping) == "its time is over"


def test_a_run_that_could_not_be_turned_on_is_over() -> None:
    """Else somebody's hand, hours later, would turn it on again."""
    mapping = Mapping()
    run = announced(mapping)
    with pytest.raises(AwsDenied, match="UpdateEvent"), ended_by(mapping, run):
        raise AwsDenied("AWS denied lambda:UpdateEventSourceMapping")
    assert ended_of(mapping) == "the command ended it"


@pytest.mark.parametrize("cause", [AwsDenied("AWS denied it"), KeyboardInterrupt()])
def test_a_run_that_cannot_be_turned_off_is_said_to_be_on_with_the_way_out(cause: BaseException) -> None:
    mapping, run = running()
    mapping.refusals = [cause]
    with pytest.raises(StillOn) as caught, ended_by(mapping, run):
        raise KeyboardInterrupt
    assert str(caught.value) == (
        f"the redriver may still be on ({str(cause) or 'interrupted'}): "
        "it ends by itself at 2026-11-23 20:45 UTC at the latest"
    )
    assert caught.value.hint == f"turn it off with `{mapping.off_command}`"


def test_the_end_is_waited_for_because_lambda_still_hands_out_dead_letters_until_then(
    clock: StillClock,
) -> None:
    mapping, run = running()
    mapping.disable()
    mapping.state = MappingState.DISABLING

    def done() -> None:
        mapping.state = MappingState.DISABLED

    clock.at[4] = done
    with ended_by(mapping, run):
        pass
    assert len(clock.pauses) == 4


@pytest.mark.parametrize("wanted", [1, 10, 11])
def test_a_concurrency_that_leaves_live_messages_nothing_is_refused(wanted: int) -> None:
    with pytest.raises(UsageError, match=f"a concurrency of {wanted} is not possible"):
        remote.concurrency_for(Function(reserve=10), wanted)


@pytest.mark.parametrize(("reserve", "fitting"), [(10, 8), (4, 3), (None, 8)])
def test_what_is_not_asked_for_fits(reserve: int | None, fitting: int) -> None:
    assert remote.concurrency_for(Function(reserve=reserve), None) == fitting


def test_a_processor_that_somebody_paused_is_refused_before_anything_is_on() -> None:
    with pytest.raises(
        Refused, match="the-function has a reserved concurrency of 0: it takes no event"
    ) as caught:
        remote.concurrency_for(Function(reserve=0), 4)

    assert "verify --only processor" in str(caught.value.hint)


@pytest.mark.parametrize(
    "answer",
    [
        Invocation(error="No module named 'psycopg'", result=None, log_tail=""),
        AwsThrottled("AWS throttled lambda:InvokeFunction"),
    ],
)
def test_a_function_that_does_not_run_is_refused_before_anything_is_on(answer: Invocation | AwsError) -> None:
    with pytest.raises(Refused, match=r"the-function does not run: .*\. Nothing was changed"):
        remote.require_start(Function(answer=answer))


@pytest.mark.parametrize("result", [{"batchItemFailures": []}, {"knows_owners": "yes"}, None])
def test_a_function_that_knows_no_owners_is_refused_before_anything_is_on(result: object) -> None:
    """The command line is newer than the stack, or the stack was rolled back: it would delete other subscribers' dead letters."""
    with pytest.raises(
        Refused, match=r"the-function is of an earlier version.* Nothing was changed"
    ) as caught:
        remote.require_start(Function(answer=Invocation(error=None, result=result, log_tail="")))
    assert "deploy this version first" in (caught.value.hint or "")


def test_a_function_that_runs_is_started() -> None:
    remote.require_start(Function())


@pytest.mark.parametrize("text", ["a, b; c (d) 20 % é", "x" * 500, "{'json': \"no\"}\n\x00"])
def test_a_reason_fits_into_a_tag(text: str) -> None:
    (value,) = ended_tags(text).values()
    assert len(value) <= 256
    assert all(character.isalnum() or character in " _.:/=+-@" for character in value)
