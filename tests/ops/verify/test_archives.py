"""Whether copies of the dead letters are made in time, by AWS's clock, as far as this machine knows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from b2bpilot.aws.metrics import Point
from b2bpilot.aws.queue_attributes import Counters, QueueAttributes
from b2bpilot.ops.dead_letters.archive import Origin
from b2bpilot.ops.dead_letters.scheduled import LAST, Last, folder_of, folders_of, remember
from b2bpilot.ops.status.dead_letters import DeadLetters, Look
from b2bpilot.ops.verify.check import Answer
from b2bpilot.ops.verify.checks.dead_letters.archives import CHECKS
from b2bpilot.ops.verify.measured import dead_letter_age
from tests.breaking import breaks
from tests.ops.verify.deployments import deployment

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def answer(
    home: Path | None,
    *,
    last: Last | None = None,
    waiting: int = 3,
    age: timedelta | None = None,
    skew: timedelta = timedelta(),
    seen: timedelta | None = None,
) -> Answer:
    """`age` is CloudWatch's, `seen` a look's; `skew` is how much this machine's clock is ahead of AWS's."""
    queue = QueueAttributes(arn="arn:q", retention=14 * DAY, redrive_policy=None, read_at=NOW)
    at = replace(deployment(home=home, known={"queue": queue}), now=NOW + skew)
    points = [Point(at=NOW, value=age.total_seconds())] if age else []
    at.ask("counters", lambda: Counters(visible=waiting, hidden=0, delayed=0))
    at.ask("last day", lambda: {dead_letter_age(at): points})
    look = Look(saw=1 if seen else 0, oldest=NOW - seen if seen else None, expiring=0, is_complete=bool(seen))
    at.ask("dead letters seen", lambda: DeadLetters(depth=waiting, hidden=0, retention=14 * DAY, look=look))
    if last and home:
        folder = folder_of(home, Origin.of(at.environment))
        folder.mkdir(parents=True)
        (folder / LAST).write_text(last.to_json())
    return CHECKS[0].probe(at)


def last(*, complete: timedelta | None, oldest: timedelta | None = None) -> Last:
    return Last(
        at=NOW,
        complete_at=None if complete is None else NOW - complete,
        oldest_sent_at=None if oldest is None else NOW - oldest,
    )


def test_a_folder_that_somebody_named_is_known_and_the_newest_counts(tmp_path: Path) -> None:
    origin = Origin.of(deployment(home=tmp_path).environment)
    own = tmp_path / "kept"
    own.mkdir()
    (own / LAST).write_text(last(complete=DAY, oldest=2 * DAY).to_json())
    assert answer(tmp_path, age=5 * DAY).is_known is False
    remember(tmp_path, origin, own)
    remember(tmp_path, origin, own)
    assert folders_of(tmp_path, origin) == [folder_of(tmp_path, origin), own]
    assert answer(tmp_path, age=5 * DAY).is_true
    assert answer(tmp_path, last=last(complete=13 * DAY), age=5 * DAY).is_true


def test_an_empty_queue_needs_no_archive(tmp_path: Path) -> None:
    assert answer(tmp_path, waiting=0).is_true


@breaks("B2B120")
@pytest.mark.parametrize(
    ("archive", "oldest", "in_time"),
    [(1, 2, True), (1, 12, True), (2, 13, False), (13, 1, False), (5, 8, True), (7, 8, False)],
)
def test_the_archive_must_be_younger_than_the_oldest_has_left(
    tmp_path: Path, archive: int, oldest: int, in_time: bool
) -> None:
    found = answer(tmp_path, last=last(complete=archive * DAY), age=oldest * DAY)
    assert found.is_true is in_time
    assert "on this machine" in found.seen


def test_what_cloudwatch_leaves_out_is_known_from_the_archive(tmp_path: Path) -> None:
    """A look counts as a receive, and after three of them CloudWatch does not count a dead letter's age any more."""
    found = answer(tmp_path, last=last(complete=2 * DAY, oldest=13 * DAY), age=1 * DAY)
    assert found.is_true is False


def test_what_cloudwatch_leaves_out_is_seen_in_the_queue(tmp_path: Path) -> None:
    found = answer(tmp_path, last=last(complete=2 * DAY, oldest=1 * DAY), age=1 * DAY, seen=13 * DAY)
    assert found.is_true is False


def test_without_a_measured_age_the_archive_says_it(tmp_path: Path) -> None:
    assert answer(tmp_path, last=last(complete=DAY, oldest=2 * DAY)).is_true


def test_this_machines_clock_decides_nothing(tmp_path: Path) -> None:
    found = answer(tmp_path, last=last(complete=DAY, oldest=2 * DAY), skew=300 * DAY)
    assert found.is_true


def test_an_age_that_nobody_names_is_no_answer(tmp_path: Path) -> None:
    assert answer(tmp_path, last=last(complete=DAY)).is_true is None


def test_an_export_that_never_saw_everything_is_none(tmp_path: Path) -> None:
    found = answer(tmp_path, last=last(complete=None, oldest=DAY), age=DAY)
    assert found.is_true is False
    assert "saw all dead letters yet" in found.seen


def test_a_machine_without_archives_knows_nothing_of_anothers(tmp_path: Path) -> None:
    found = answer(tmp_path, age=DAY)
    assert (found.is_true, found.is_known) == (False, False)
    assert "another one may have them" in found.seen
    assert answer(None, age=DAY).is_true is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"at": "yesterday"}', '{"at": 1}'])
def test_a_note_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    folder = folder_of(tmp_path, Origin.of(deployment().environment))
    folder.mkdir(parents=True)
    (folder / LAST).write_text(text)
    assert answer(tmp_path, age=DAY).is_known is False
