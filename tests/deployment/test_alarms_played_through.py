"""Every alarm of the template against what AWS says its metric counts, with a clock of its own."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from b2bpilot.local.alarm_rule import DAY, HOUR, MINUTE, AlarmRule, MetricPoint, state

OfType = Callable[[str], dict[str, dict[str, Any]]]

CONSOLE_SECONDS = 2_160
"""The queue's VisibilityTimeout: so long the console's poll, which sets none, hides a dead letter."""


@dataclass(slots=True, kw_only=True)
class DeadLetter:
    sent_at: int
    looked_at: tuple[int, ...] = ()
    hidden_seconds: int = CONSOLE_SECONDS
    gone_at: int | None = None

    def is_there(self, now: int) -> bool:
        return self.sent_at <= now and (self.gone_at is None or now < self.gone_at)

    def is_visible(self, now: int) -> bool:
        looks = self.receives(now)
        hidden = looks and now < self.looked_at[looks - 1] + self.hidden_seconds
        return self.is_there(now) and not hidden

    def receives(self, now: int) -> int:
        return bisect_right(self.looked_at, now)


@dataclass(slots=True)
class Queue:
    """What AWS/SQS reports of a standard queue, once a minute, by its documentation."""

    dead_letters: list[DeadLetter] = field(default_factory=list)

    def visible(self, now: int) -> float:
        return sum(dead_letter.is_visible(now) for dead_letter in self.dead_letters)

    def age_of_oldest(self, now: int) -> float:
        """Leaves out what was received three times or more and not deleted."""
        counted = [
            now - dead_letter.sent_at
            for dead_letter in self.dead_letters
            if dead_letter.is_there(now) and dead_letter.receives(now) < 3
        ]
        return max(counted, default=0)

    def points(self, metric: str, *, until: int) -> list[MetricPoint]:
        count = {
            "ApproximateNumberOfMessagesVisible": self.visible,
            "ApproximateAgeOfOldestMessage": self.age_of_oldest,
        }[metric]
        return [MetricPoint.of(now, count(now)) for now in range(0, until, MINUTE)]


def played(alarm: dict[str, Any], points: Iterable[MetricPoint], *, until: int) -> Iterator[tuple[int, str]]:
    """Yield each change of the alarm's state with its second, from a time on at which nothing was counted yet."""
    rule = AlarmRule.of(alarm)
    ordered, now_is = sorted(points, key=lambda point: point.at), "OK"
    times = [point.at for point in ordered]
    for end in range(rule.step_seconds, until + 1, rule.step_seconds):
        seen = ordered[bisect_left(times, rule.looks_back_to(end)) : bisect_left(times, end)]
        found = state(rule, seen, end=end, before=now_is)
        if found != now_is:
            now_is = found
            yield end, found


def of_queue(alarm: dict[str, Any], queue: Queue, *, days: int) -> list[tuple[int, str]]:
    points = queue.points(alarm["MetricName"], until=days * DAY)
    return list(played(alarm, points, until=days * DAY))


FIVE_LOOKS = tuple(at * DAY for at in (1, 2, 3, 4, 5))


def test_a_dead_letter_that_was_looked_at_five_times_rings_before_its_eighth_day_is_over(
    of_type: OfType,
) -> None:
    alarm = of_type("AWS::CloudWatch::Alarm")["OldestDeadLetterAlarm"]
    (change,) = of_queue(alarm, Queue([DeadLetter(sent_at=0, looked_at=FIVE_LOOKS)]), days=8)
    assert change[1] == "ALARM"
    assert change[0] <= 7 * DAY


def test_the_age_that_cloudwatch_tells_would_have_been_silent(of_type: OfType) -> None:
    """Why the alarm is not on it: three receives, and the dead letter is not counted any more."""
    alarm = of_type("AWS::CloudWatch::Alarm")["OldestDeadLetterAlarm"] | {
        "MetricName": "ApproximateAgeOfOldestMessage",
        "Threshold": 7 * DAY,
        "Period": 300,
        "EvaluationPeriods": 1,
        "DatapointsToAlarm": 1,
    }
    assert of_queue(alarm, Queue([DeadLetter(sent_at=0)]), days=8) != []
    assert of_queue(alarm, Queue([DeadLetter(sent_at=0, looked_at=FIVE_LOOKS)]), days=14) == []


@pytest.mark.parametrize(
    ("every", "seconds"),
    [(61, 20), (HOUR, CONSOLE_SECONDS), (6 * HOUR, CONSOLE_SECONDS)],
    ids=["status --watch", "the console each hour", "the console now and then"],
)
def test_looking_does_not_silence_the_alarm_of_seven_days(of_type: OfType, every: int, seconds: int) -> None:
    looks = tuple(range(HOUR, 8 * DAY, every))
    alarm = of_type("AWS::CloudWatch::Alarm")["OldestDeadLetterAlarm"]
    dead_letter = DeadLetter(sent_at=0, looked_at=looks, hidden_seconds=seconds)
    ((at, word),) = of_queue(alarm, Queue([dead_letter]), days=8)
    assert (word, at <= 7 * DAY) == ("ALARM", True)


@pytest.mark.parametrize("minute", [0, 1, 30, 59])
def test_an_emptied_queue_ends_the_alarm_of_seven_days_within_three_hours(
    of_type: OfType, minute: int
) -> None:
    """Three whole hours: CloudWatch decides once an hour, on data up to the hour."""
    gone_at = 8 * DAY + minute * MINUTE
    alarm = of_type("AWS::CloudWatch::Alarm")["OldestDeadLetterAlarm"]
    rung, ended = of_queue(alarm, Queue([DeadLetter(sent_at=0, gone_at=gone_at)]), days=9)
    hour_after = -(-gone_at // HOUR) * HOUR
    assert (rung[1], ended[1]) == ("ALARM", "OK")
    assert ended[0] - hour_after <= 3 * HOUR


def test_a_week_of_short_lived_dead_letters_does_not_ring_the_alarm_of_seven_days(of_type: OfType) -> None:
    dead_letters = [DeadLetter(sent_at=at, gone_at=at + 3 * HOUR) for at in range(0, 8 * DAY, 6 * HOUR)]
    alarm = of_type("AWS::CloudWatch::Alarm")["OldestDeadLetterAlarm"]
    assert of_queue(alarm, Queue(dead_letters), days=8) == []


def test_a_dead_letter_rings_within_two_minutes_and_a_look_does_not_end_it(of_type: OfType) -> None:
    dead_letter = DeadLetter(sent_at=HOUR, looked_at=(2 * HOUR, 5 * HOUR, 5 * HOUR + CONSOLE_SECONDS + 60))
    alarm = of_type("AWS::CloudWatch::Alarm")["DLQAlarm"]
    ((at, word),) = of_queue(alarm, Queue([dead_letter]), days=1)
    assert (word, at - dead_letter.sent_at <= 2 * MINUTE) == ("ALARM", True)


def test_an_emptied_queue_ends_its_alarm_within_forty_minutes(of_type: OfType) -> None:
    alarm = of_type("AWS::CloudWatch::Alarm")["DLQAlarm"]
    _, (at, word) = of_queue(alarm, Queue([DeadLetter(sent_at=HOUR, gone_at=2 * HOUR)]), days=1)
    assert (word, at - 2 * HOUR <= 40 * MINUTE) == ("OK", True)


def test_the_queues_alarm_outlasts_the_longest_time_a_receive_without_its_own_hides(
    of_type: OfType, resources: dict[str, dict[str, Any]]
) -> None:
    hidden = resources["DeadLetterQueue"]["Properties"]["VisibilityTimeout"]
    assert hidden == CONSOLE_SECONDS
    alarm = of_type("AWS::CloudWatch::Alarm")["DLQAlarm"]
    assert alarm["Period"] * alarm["EvaluationPeriods"] > hidden + 2 * MINUTE


def test_no_alarm_asks_for_more_than_cloudwatch_takes(of_type: OfType) -> None:
    for name, alarm in of_type("AWS::CloudWatch::Alarm").items():
        assert alarm["Period"] * alarm["EvaluationPeriods"] <= 604_800, name
        assert "Metrics" not in alarm, f"{name}: metric math, which the local environment refuses"


# ---- the others: what their metrics have, how soon they ring, how soon they end ----

TROUBLE = (2 * HOUR, 3 * HOUR)
"""From when to when it goes wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What a metric has each minute while all is well, and in trouble; None is no data point at all."""

    well: float | None
    wrong: float | None
    rings_within: int
    ends_within: int

    def points(self) -> list[MetricPoint]:
        values = (
            (now, self.wrong if TROUBLE[0] <= now < TROUBLE[1] else self.well)
            for now in range(0, 6 * HOUR, MINUTE)
        )
        return [MetricPoint.of(now, value) for now, value in values if value is not None]


COURSES = {
    # AWS/SNS has no points while nothing fails; AWS/Lambda has a 0 for each run that did not.
    "SNSFailedDeliveryAlarm": Course(well=None, wrong=1, rings_within=MINUTE, ends_within=5 * MINUTE),
    "SNSFailedRedriveAlarm": Course(well=None, wrong=1, rings_within=MINUTE, ends_within=5 * MINUTE),
    # AWS/SQS has a point each minute while anything is in a queue, or asks for it.
    "MessagesWaitingAlarm": Course(well=0, wrong=2, rings_within=16 * MINUTE, ends_within=5 * MINUTE),
    "ProcessorErrorAlarm": Course(well=0, wrong=1, rings_within=MINUTE, ends_within=5 * MINUTE),
    "ProcessorThrottlesAlarm": Course(well=0, wrong=3, rings_within=5 * MINUTE, ends_within=5 * MINUTE),
    "AsyncEventAgeAlarm": Course(well=40, wrong=700_000, rings_within=MINUTE, ends_within=5 * MINUTE),
    "DeadLetterErrorsAlarm": Course(well=None, wrong=1, rings_within=MINUTE, ends_within=5 * MINUTE),
    "ExpressErrorAlarm": Course(well=0, wrong=1, rings_within=MINUTE, ends_within=5 * MINUTE),
    "ExpressEventAgeAlarm": Course(well=40, wrong=70_000, rings_within=MINUTE, ends_within=5 * MINUTE),
    "ExpressDeadLetterErrorsAlarm": Course(well=None, wrong=1, rings_within=MINUTE, ends_within=5 * MINUTE),
    "WebhookServerErrorAlarm": Course(well=0, wrong=1, rings_within=MINUTE, ends_within=5 * MINUTE),
    # A filter with a default of 0 has one while lines come that it does not match.
    "MessagesRefusedAlarm": Course(well=0, wrong=1, rings_within=MINUTE, ends_within=15 * MINUTE),
    "WebhookClientErrorAlarm": Course(well=None, wrong=1, rings_within=MINUTE, ends_within=15 * MINUTE),
    "StaleErrorAlarm": Course(well=0, wrong=1, rings_within=3 * MINUTE, ends_within=5 * MINUTE),
    # A function that does not run has no points.
    "StaleNotRunningAlarm": Course(well=1, wrong=None, rings_within=17 * MINUTE, ends_within=MINUTE),
    "RedriverErrorAlarm": Course(well=None, wrong=1, rings_within=MINUTE, ends_within=5 * MINUTE),
    "StaleBacklogAlarm": Course(well=0, wrong=4, rings_within=16 * MINUTE, ends_within=5 * MINUTE),
    "MessagesAbandonedAlarm": Course(well=0, wrong=1, rings_within=MINUTE, ends_within=15 * MINUTE),
}
OF_QUEUE = {"DLQAlarm", "OldestDeadLetterAlarm"}


def test_every_alarm_is_played_through(of_type: OfType) -> None:
    assert of_type("AWS::CloudWatch::Alarm").keys() == COURSES.keys() | OF_QUEUE


@pytest.mark.parametrize(("name", "course"), COURSES.items(), ids=COURSES)
def test_an_alarm_rings_in_time_and_ends_in_time(of_type: OfType, name: str, course: Course) -> None:
    alarm = of_type("AWS::CloudWatch::Alarm")[name]
    changes = list(played(alarm, course.points(), until=6 * HOUR))
    (rung, on), (ended, off) = changes
    assert (on, off) == ("ALARM", "OK")
    assert 0 < rung - TROUBLE[0] <= course.rings_within
    assert 0 < ended - TROUBLE[1] <= course.ends_within


@pytest.mark.parametrize("name", [name for name in COURSES if name != "StaleNotRunningAlarm"])
def test_an_alarm_is_silent_where_nothing_happens(of_type: OfType, name: str) -> None:
    assert list(played(of_type("AWS::CloudWatch::Alarm")[name], [], until=DAY)) == []


@pytest.mark.parametrize("name", ["ProcessorThrottlesAlarm", "StaleErrorAlarm", "StaleBacklogAlarm"])
def test_one_bad_minute_does_not_ring_what_stands_for_a_while(of_type: OfType, name: str) -> None:
    points = [MetricPoint.of(now, 5 if now == 2 * HOUR else 0) for now in range(0, 4 * HOUR, MINUTE)]
    assert list(played(of_type("AWS::CloudWatch::Alarm")[name], points, until=4 * HOUR)) == []
