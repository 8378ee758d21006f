"""Whether the processor took what was published, before more is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from b2bpilot.pipeline.models import Progress, SubmissionStatus
from b2bpilot.pipeline.reserve import PATIENCE_SECONDS, RUN_SECONDS, ReserveWatch
from tests.clock import StillClock

BEGAN = datetime(2026, 11, 30, 12, tzinfo=UTC)


class Table:
    """Rows that change with each look."""

    def __init__(self, *looks: tuple[SubmissionStatus | str, timedelta]) -> None:
        self.looks = list(looks)

    def now(self) -> datetime:
        return BEGAN

    def progress_of(self, message_ids: Sequence[str]) -> Mapping[str, Progress]:
        status, age = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return {id_: progress(id_, status, BEGAN + age) for id_ in message_ids}

    def watch(self) -> ReserveWatch:
        return ReserveWatch(self)


def progress(message_id: str, status: SubmissionStatus | str, at: datetime) -> Progress:
    return Progress(
        message_id=message_id,
        status=status,
        attempts=1,
        lease_expires_at=None,
        last_error=None,
        completed_at=None,
        updated_at=at,
    )


LATER, EARLIER = timedelta(seconds=1), timedelta(hours=-1)


@pytest.mark.parametrize(
    "ended", [SubmissionStatus.COMPLETED, SubmissionStatus.FAILED, SubmissionStatus.ABANDONED]
)
def test_a_message_is_waited_for_until_its_run_has_ended_whichever_way(
    ended: SubmissionStatus, clock: StillClock
) -> None:
    table = Table((SubmissionStatus.FAILED, EARLIER), (SubmissionStatus.PROCESSING, LATER), (ended, LATER))

    assert table.watch().has_answered(["a"])
    assert 0 < clock.now < 1


@pytest.mark.parametrize(
    "look", [(SubmissionStatus.FAILED, EARLIER), (SubmissionStatus.PROCESSING, LATER)], ids=["waits", "runs"]
)
def test_a_processor_that_does_not_answer_is_not_waited_for_long(
    look: tuple[SubmissionStatus, timedelta], clock: StillClock
) -> None:
    table = Table(look)

    assert not table.watch().has_answered(["a"])
    assert clock.now == pytest.approx(PATIENCE_SECONDS, abs=0.2)


def test_a_run_does_not_publish_for_longer_than_its_own_time(clock: StillClock) -> None:
    table = Table((SubmissionStatus.COMPLETED, LATER))
    watch = table.watch()
    clock.now = RUN_SECONDS

    assert not watch.has_answered(["a"])
