"""Copies to replay: the queue and a file give the same ones, and memory holds no bodies."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from b2bpilot.errors import UsageError
from b2bpilot.ops.dead_letters.archive import Archived, line
from b2bpilot.ops.dead_letters.copies import (
    Copies,
    ExportRequest,
    Spool,
    copies_from_file,
    copies_from_queue,
    export_to_file,
)
from b2bpilot.ops.dead_letters.filters import Selection
from tests.events import ours, received
from tests.fakes.dead_letters import ORIGIN, dead
from tests.fakes.sqs import FakeQueue

NOW = datetime(2026, 11, 23, 19, 45, 1, tzinfo=UTC)


@pytest.fixture
def spool() -> Iterator[Spool]:
    with Spool() as found:
        yield found


def failed(text: str, *, second: int) -> dict[str, Any]:
    found = dead()
    found["MessageAttributes"]["ErrorMessage"]["StringValue"] = text
    found["Attributes"] = {"SentTimestamp": str(1_791_564_000_000 + second * 1_000)}
    return found


@pytest.fixture
def messages() -> list[dict[str, Any]]:
    """The newest first: two of one cause, five of another, and one that is no message."""
    found = [failed("rare", second=20 - n) for n in range(2)]
    found += [failed("frequent", second=10 - n) for n in range(5)]
    return [*found, received("hello")]


@pytest.fixture(params=["queue", "file"])
def copies(
    request: pytest.FixtureRequest, messages: list[dict[str, Any]], spool: Spool, tmp_path: Path
) -> Any:
    """Copy from one or the other."""
    queue, path = FakeQueue(messages), tmp_path / "letters.jsonl"

    def copies(selection: Selection, **more: int) -> Copies:
        if request.param == "queue":
            wanted = ExportRequest(selection=selection, origin=ORIGIN, now=NOW)
            return copies_from_queue(queue, spool, wanted, **more)
        if not path.exists():
            export_to_file(queue, path, ExportRequest(selection=Selection(), origin=ORIGIN, now=NOW))
        return copies_from_file(path, spool, selection, judge=ours, now=NOW, **more)

    return copies


def test_a_group_is_chosen_by_its_number_among_all_of_them(copies: Any, messages: Any) -> None:
    found = copies(Selection(group="g2"))
    assert {str(one.cause) for one in found.chosen} == {"exception: rare"}
    assert found.names[found.chosen[0].cause] == "G2"
    assert [dead_letter.body for dead_letter in found.dead_letters()] == [
        messages[1]["Body"],
        messages[0]["Body"],
    ]


def test_a_group_that_is_not_there_is_said(copies: Any) -> None:
    with pytest.raises(UsageError, match=r"there is no group G99; the (queue|file) has G1 to G3"):
        copies(Selection(group="G99"))


def test_the_oldest_are_chosen_and_counted_among_all_that_match(copies: Any, messages: Any) -> None:
    found = copies(Selection(error="e"), most=3)
    assert (len(found.readable), found.processable, found.matching) == (3, 7, 8)
    assert [one.queue_message_id for one in found.readable] == [messages[n]["MessageId"] for n in (6, 5, 4)]


def test_a_limit_above_the_usual_is_kept_to(copies: Any) -> None:
    assert len(copies(Selection(limit=7), most=3).readable) == 7


def test_a_limit_does_not_count_what_cannot_be_processed(spool: Spool, messages: Any) -> None:
    """The first round found `dlq replay --limit 15` take 12 of another subscriber, and say so of no other."""
    unreadable = [{**received("hello"), "Attributes": {"SentTimestamp": "1"}} for _ in range(3)]
    queue = FakeQueue([*messages[:7], *unreadable])
    wanted = ExportRequest(selection=Selection(limit=2), origin=ORIGIN, now=NOW)

    found = copies_from_queue(queue, spool, wanted)

    assert [one.queue_message_id for one in found.readable] == [messages[n]["MessageId"] for n in (6, 5)]
    assert len(found.unreadable) == 3


def test_what_cannot_be_read_is_counted_and_not_among_the_dead_letters(copies: Any, messages: Any) -> None:
    found = copies(Selection())
    assert [one.queue_message_id for one in found.unreadable] == [messages[-1]["MessageId"]]
    assert len(list(found.dead_letters())) == 7


def test_dead_letters_that_somebody_hides_are_not_forgotten(spool: Spool, messages: Any) -> None:
    queue = FakeQueue(messages)
    queue.sqs.hide(messages[0]["MessageId"], until=600.0)
    found = copies_from_queue(queue, spool, ExportRequest(selection=Selection(), origin=ORIGIN, now=NOW))
    assert (found.saw, found.about, found.unseen) == (7, 8, 1)


def test_memory_holds_no_bodies(tmp_path: Path, spool: Spool) -> None:
    """100,000 dead letters at 900 bytes each are 90 MB."""
    count, path = 500, tmp_path / "letters.jsonl"
    with path.open("wb") as file:
        for raw in (dead(params={"Body": "x" * 4_000}) for _ in range(count)):
            entry = Archived(
                origin=ORIGIN,
                queue_message_id=raw["MessageId"],
                body=raw["Body"],
                attributes=raw["MessageAttributes"],
                system_attributes=raw["Attributes"],
            )
            file.write(line(entry) + b"\n")
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        found = copies_from_file(path, spool, Selection(), judge=ours, now=NOW, most=250)
        assert sum(1 for _ in found.dead_letters()) == 250
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (peak - before) / count < 900
