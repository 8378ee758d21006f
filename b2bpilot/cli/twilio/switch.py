"""Changes of a cut-over or a rollback: shown, made by one command at a time, and gone on with."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from b2bpilot.advice import our_command
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.runs.kind import RunKind
from b2bpilot.cli.runs.running import resumed_run
from b2bpilot.cli.text.privacy import without_secrets
from b2bpilot.cli.twilio.account import twilio_access_of

if TYPE_CHECKING:
    from b2bpilot.ops.cutover.change import Change
    from b2bpilot.ops.runs.record import RunRecord


def resume(pilot: Pilot, record: RunRecord, *, yes: bool) -> None:
    """Make the changes that an interrupted cut-over or rollback did not. One that ended, or that was rolled back, is not
    made again: who took it back would not want that."""
    from b2bpilot.ops.cutover import switch

    if record.counts is not None:
        pilot.output.notice(f"Run {record.run_id} has nothing left to do.")
        return
    twilio = twilio_access_of(pilot).connect()
    with the_only_switch(pilot):
        switch.require_not_rolled_back(pilot.runs_home, record, unreadable=pilot.output.notice)
        planned = switch.planned(record)
        left = switch.remaining(twilio, planned, run_id=record.run_id)
        show_changes(pilot, left)
        if left:
            pilot.confirmation(yes=yes).ask(
                [f"Go on with {record.run_id}:", f"  {pilot.environment}"], "Continue?"
            )
        with resumed_run(pilot, record) as journal:
            unread = switch.switch(twilio, left, journal, is_resumed=switch.has_begun(record))
            journal.finish(switch.counts(record, planned, left))
    told = switch.in_words(left, unread)
    text = f"Changed {len(left)}; {told}" if left else "It was changed before."
    pilot.output.record({"changed": len(left), "run_id": record.run_id}, text=[text])
    tell_to_look(pilot)


def tell_to_look(pilot: Pilot) -> None:
    """What was written need not be what decides: somebody may have set something else beside it."""
    pilot.output.notice("What decides now, and what is unsafe about it: " + our_command("twilio", "route"))


CUTOVER = RunKind(
    typed="twilio cutover",
    unit="changes",
    key="what was changed",
    well="accepted",
    perhaps={"sending": "perhaps changed", "unknown": "perhaps changed"},
    words={"accepted": "changed"},
    resume="b2bpilot.cli.twilio.switch:resume",
)
ROLLBACK = dataclasses.replace(CUTOVER, typed="twilio rollback")


@contextmanager
def the_only_switch(pilot: Pilot) -> Iterator[None]:
    """Two at a time would each save what the other one writes."""
    from b2bpilot.ops.runs.durable import exclusive
    from b2bpilot.ops.runs.journal import FOLDER

    with exclusive(pilot.runs_home / FOLDER / "cutover.lock", "another cut-over or rollback"):
        yield


def show_changes(pilot: Pilot, planned: Sequence[Change]) -> None:
    """Name each thing with its URLs before and after."""
    fields = [
        {
            "level": each.level.value,
            "sid": each.sid,
            "before": without_secrets(each.before.url),
            "after": without_secrets(each.after.url),
            "fallback_before": without_secrets(each.before.fallback_url),
            "fallback_after": without_secrets(each.after.fallback_url),
        }
        for each in planned
    ]
    text = [line for each in planned for line in _change_in_words(each)]
    pilot.output.record({"changes": fields}, text=text or ["Nothing to change: it is already set like this."])


def _change_in_words(change: Change) -> Iterator[str]:
    yield f"{change.level.value} {change.sid}"
    yield f"  URL now       {without_secrets(change.before.url) or 'none'}"
    yield f"  URL then      {without_secrets(change.after.url)}"
    if change.before.method != change.after.method:
        yield f"  method        {change.before.method}, then {change.after.method}"
    then = (
        ""
        if change.before.fallback_url == change.after.fallback_url
        else f", then {change.after.fallback_url or 'none'}"
    )
    yield without_secrets(f"  fallback URL  {change.before.fallback_url or 'none'}{then}")
