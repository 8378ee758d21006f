"""The command that a stopped redrive prints: pasted, it takes the same dead letters and no others."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from b2bpilot.cli.dlq.redrive import redrive
from b2bpilot.cli.dlq.redrive_again import resumed_again, sent_again
from b2bpilot.cli.dlq.selection import FILTERS
from b2bpilot.errors import PartlyFailed
from b2bpilot.ops.dead_letters.causes import Cause
from b2bpilot.ops.dead_letters.expression import Expression
from b2bpilot.ops.dead_letters.filters import ResolvedFilter, Selection
from b2bpilot.ops.redrive.options import RedriveOptions
from b2bpilot.ops.redrive.summary import Summary, require_everything_completed
from b2bpilot.ops.redrive.via import RedriveVia
from b2bpilot.pipeline.dead_letter import FailureKind

NOW = datetime(2026, 11, 23, 19, 45, tzinfo=UTC)
ALL = RedriveOptions(
    via=RedriveVia.ASYNC,
    filters=ResolvedFilter(
        selection=Selection(
            since=NOW - timedelta(hours=2),
            older_than=timedelta(minutes=10),
            message_ids=frozenset({"one", "two"}),
            error="num_media",
            from_number="+15005550006",
            where=Expression.parse("failure.kind == 'exception'"),
        ),
        cause=Cause(FailureKind.EXCEPTION, "no column"),
        now=NOW,
    ),
    include_completed=True,
    include_poison=True,
    rate=2.5,
    concurrency=3,
    wait=timedelta(0),
    limit=50,
    force=True,
    adopted=frozenset({"arn:aws:sns:eu-west-1:123456789012:old:1"}),
)
NOT_AGAIN = {"ctx", "engine", "dry_run", "plan_file", "reason", "yes"}


def test_the_others_are_sent_with_every_filter_and_option_of_the_redrive() -> None:
    text = str(sent_again(ALL, group="G2", plan_file=None))
    own = {name.replace("_", "-") for name in inspect.signature(redrive).parameters.keys() - NOT_AGAIN}
    filters = {each.flag.removeprefix("--") for each in FILTERS} - {"older-than"}
    assert [name for name in sorted(own | filters) if f" --{name} " not in text] == []
    assert "--since 2026-11-23T17:45:00.000Z --until 2026-11-23T19:35:00.000Z" in text
    assert "--message-id one --message-id two" in text
    assert text.endswith(" --max-failures 100%")


@pytest.mark.parametrize(
    ("asked", "group", "plan_file", "said"),
    [
        (RedriveOptions(), None, None, "--max-failures 100%"),
        (RedriveOptions(), "G2", None, "--group G2 --max-failures 100%"),
        (RedriveOptions(filters=None), None, Path("plan.json"), "--plan plan.json --max-failures 100%"),
    ],
)
def test_what_was_not_asked_for_is_not_in_it(
    asked: RedriveOptions, group: str | None, plan_file: Path | None, said: str
) -> None:
    again = sent_again(asked, group=group, plan_file=plan_file)
    with pytest.raises(PartlyFailed) as stopped:
        require_everything_completed(Summary(not_sent=3), again=again)
    assert str(stopped.value.hint) == f"to send the others all the same: b2bpilot dlq redrive {said}"


def test_a_resumed_run_leads_to_what_it_was_about() -> None:
    assert "`b2bpilot runs show 3f9a`" in str(resumed_again("3f9a"))
