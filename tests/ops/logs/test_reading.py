"""Several logs as one, and following them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from b2bpilot.aws.logs import LogEvent, LogGroupMissing
from b2bpilot.errors import AwsThrottled
from b2bpilot.ops.logs.entry import LogLevel
from b2bpilot.ops.logs.reading import OVERLAP, Follower, read
from b2bpilot.ops.logs.selection import LogSelection, term

NOON = datetime(2026, 10, 9, 12, tzinfo=UTC)


def second(number: float) -> datetime:
    return NOON + timedelta(seconds=number)


class Log:
    """A log group in memory. It fails after `fails_after` lines, once; `handed_out` counts what was taken from it."""

    name = "/aws/lambda/f"

    def __init__(self, *lines: tuple[float, str]) -> None:
        self.lines = [(at, text, f"{at}-{text}") for at, text in lines]
        self.is_there = True
        self.fails_after: int | None = None
        self.handed_out = 0
        self.starts: list[datetime] = []

    def write(self, at: float, text: str) -> None:
        self.lines.append((at, text, f"{at}-{text}"))

    def events(
        self, *, since: datetime, until: datetime | None = None, pattern: str | None = None
    ) -> Iterator[LogEvent]:
        self.starts.append(since)
        if not self.is_there:
            raise LogGroupMissing(f"log group {self.name} does not exist")
        found = sorted(line for line in self.lines if second(line[0]) >= since)
        for place, (at, text, event_id) in enumerate(found):
            if place == self.fails_after:
                self.fails_after = None
                raise AwsThrottled("slow down")
            if until is None or second(at) <= until:
                self.handed_out += 1
                yield LogEvent(at=second(at), text=text, event_id=event_id, stream="s")


def ignore(_function: str, _group: str) -> None:
    pass


def follower(selection: LogSelection | None = None, **logs: Log) -> Follower:
    return Follower(logs, selection or LogSelection(), since=NOON, missing=ignore)


def texts(found: Follower) -> list[str]:
    return [entry.text for entry in found.new()]


def test_logs_are_merged_by_time() -> None:
    logs = {"webhook": Log((1, "a"), (4, "d")), "processor": Log((2, "b"), (3, "c"), (5, "late"))}
    found = read(logs, LogSelection(), since=NOON, until=second(4), missing=ignore)
    assert [(entry.function, entry.text) for entry in found] == [
        ("webhook", "a"),
        ("processor", "b"),
        ("processor", "c"),
        ("webhook", "d"),
    ]


def test_a_reader_takes_no_more_than_it_needs() -> None:
    log = Log(*((n, "x") for n in range(1000)))
    next(read({"processor": log}, LogSelection(), since=NOON, until=None, missing=ignore))
    assert log.handed_out == 1


def test_a_group_that_does_not_exist_is_said_and_the_others_are_read() -> None:
    gone, said = Log(), []
    gone.is_there = False
    found = read(
        {"stale": gone, "processor": Log((1, "a"))},
        LogSelection(),
        since=NOON,
        until=None,
        missing=lambda *names: said.append(names),
    )
    assert [entry.text for entry in found] == ["a"]
    assert said == [("stale", "/aws/lambda/f")]


def test_a_follower_shows_each_line_once() -> None:
    log = Log((1, "a"), (2, "b"))
    following = follower(processor=log)
    assert texts(following) == ["a", "b"]
    assert texts(following) == []
    log.write(3, "c")
    assert texts(following) == ["c"]


def test_a_line_that_arrives_after_younger_ones_is_not_lost() -> None:
    log = Log((1, "a"), (100, "z"))
    following = follower(processor=log)
    texts(following)
    log.write(100 - OVERLAP.total_seconds() + 1, "late")
    log.write(101, "new")
    assert texts(following) == ["late", "new"]
    assert texts(following) == []


def test_a_group_that_fails_takes_no_line_of_another_with_it() -> None:
    calm, failing = Log((1, "a"), (5, "e")), Log((2, "b"), (3, "c"), (4, "d"))
    failing.fails_after = 2
    following = follower(webhook=calm, processor=failing)
    shown: list[str] = []
    with pytest.raises(AwsThrottled):
        shown.extend(entry.text for entry in following.new())
    shown += texts(following)
    assert sorted(shown) == ["a", "b", "c", "d", "e"]


def test_a_follower_moves_on_also_when_nothing_matches() -> None:
    log = Log((1000, "other"))
    following = follower(LogSelection(terms=[term("wanted")]), processor=log)
    texts(following)
    texts(following)
    assert log.starts == [NOON, second(1000) - OVERLAP]


def test_a_group_that_appears_later_is_followed_and_its_absence_is_said_once() -> None:
    log, said = Log((1, "a")), []
    log.is_there = False
    following = Follower(
        {"stale": log}, LogSelection(), since=NOON, missing=lambda *names: said.append(names)
    )
    assert texts(following) + texts(following) == []
    log.is_there = True
    assert texts(following) == ["a"]
    assert len(said) == 1


REPORT = {
    "type": "platform.report",
    "record": {"requestId": "r1", "metrics": {"durationMs": 5}, "status": "timeout"},
}
LINES = [
    json.dumps(
        {"level": "INFO", "event": "stored", "message_id": "m1", "requestId": "r1", "latency_ms": 31.5}
    ),
    json.dumps({"level": "WARN", "event": "rejected", "message_id": None, "reason": "no signature"}),
    json.dumps({"log_level": "ERROR", "errorType": "MessageInvalid", "requestId": "r1"}),
    json.dumps(REPORT),
    "printed by hand",
]


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        (LogSelection(), [0, 1, 2, 3, 4]),
        (LogSelection(ids=["m1"]), [0]),
        (LogSelection(ids=["r1"]), [0, 2, 3]),
        (LogSelection(level=LogLevel.WARNING), [1, 2, 3]),
        (LogSelection(level=LogLevel.ERROR), [2, 3]),
        (LogSelection(terms=[term("event=stored")]), [0]),
        (LogSelection(terms=[term("latency_ms=31.5"), term("m1")]), [0]),
        (LogSelection(terms=[term("message_id=null"), term("level=WARN")]), [1]),
        (LogSelection(terms=[term("record.status=timeout")]), [3]),
        (LogSelection(terms=[term("no signature")]), [1]),
        (LogSelection(terms=[term("by hand")]), [4]),
        (LogSelection(terms=[term("event=store")]), []),
    ],
)
def test_a_selection_chooses(selection: LogSelection, chosen: list[int]) -> None:
    log = Log(*((place, text) for place, text in enumerate(LINES)))
    found = read({"processor": log}, selection, since=NOON, until=None, missing=ignore)
    assert [LINES.index(entry.text) for entry in found] == chosen
