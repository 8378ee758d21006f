"""What was asked of a redrive, in the journal and back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from b2bpilot.ops.dead_letters.filters import ResolvedFilter, Selection
from b2bpilot.ops.redrive.options import NO_LIMIT, WINDOW, RedriveOptions
from b2bpilot.ops.redrive.via import RedriveVia
from tests.ops.dead_letters.deployment import dead_letter, id_of

NOW = datetime(2026, 11, 24, tzinfo=UTC)
AN_EARLIER_VERSION_S = {
    "via": "topic",
    "include_completed": False,
    "include_poison": True,
    "max_failures": 0.2,
    "rate": None,
    "concurrency": 8,
    "wait_seconds": 60.0,
    "limit": 1_000,
    "selection": {},
}
"""As the first version wrote it: nothing was adopted then."""


def test_what_was_asked_for_comes_back_from_the_journal_as_it_was() -> None:
    asked = RedriveOptions(
        via=RedriveVia.ASYNC,
        filters=ResolvedFilter(selection=Selection(error="boom"), cause=None, now=NOW),
        include_completed=True,
        include_poison=True,
        max_failures=0.5,
        rate=2.5,
        concurrency=3,
        wait=timedelta(seconds=5),
        limit=7,
        adopted=frozenset({"arn:aws:sns:eu-west-1:123456789012:topic:gone"}),
    )

    assert RedriveOptions.from_journal(asked.to_journal(), began_at=NOW) == asked


@pytest.mark.parametrize(
    ("limit", "force", "most"), [(None, False, WINDOW), (None, True, NO_LIMIT), (7, False, 7)]
)
def test_a_limit_that_nobody_asked_for_comes_back_as_none(limit: int | None, force: bool, most: int) -> None:
    back = RedriveOptions.from_journal(RedriveOptions(limit=limit, force=force).to_journal(), began_at=NOW)

    assert (back.limit, back.force, back.most) == (limit, force, most)


def test_an_earlier_version_s_journal_is_read_and_spelled_as_it_was() -> None:
    back = RedriveOptions.from_journal(AN_EARLIER_VERSION_S, began_at=NOW)

    assert (back.via, back.include_poison, back.limit, back.adopted) == (
        RedriveVia.TOPIC,
        True,
        None,
        frozenset(),
    )
    assert back.to_journal() == AN_EARLIER_VERSION_S | {"adopt": []}


def test_filters_that_no_journal_keeps_match_nothing_instead_of_everything() -> None:
    one = dead_letter()
    masked = RedriveOptions(
        filters=ResolvedFilter(selection=Selection(from_number="+1500***0006"), cause=None, now=NOW)
    ).to_journal()
    back = RedriveOptions.from_journal(masked, began_at=NOW)

    assert RedriveOptions().matches(one)
    assert (back.filters, back.matches(one), back.is_met_by({id_of(one)})) == (None, False, True)
    assert replace(back, filters=RedriveOptions().filters).matches(one)
