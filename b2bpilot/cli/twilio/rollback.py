"""`b2bpilot twilio rollback`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot.advice import our_command
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.frame.options import DRY_RUN, DryRun, Reason, Yes
from b2bpilot.cli.runs import run_record
from b2bpilot.cli.runs.app import RunId, early, in_environment_of
from b2bpilot.cli.runs.running import new_run
from b2bpilot.cli.twilio.account import twilio_access_of
from b2bpilot.cli.twilio.switch import show_changes, tell_to_look, the_only_switch
from b2bpilot.errors import PartlyFailed, Refused, UsageError

if TYPE_CHECKING:
    from b2bpilot.ops.cutover.change import Change
    from b2bpilot.ops.runs.record import RunRecord
    from b2bpilot.twilio.rest import Twilio


def rollback(
    ctx: typer.Context,
    run: RunId,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Also overwrite what somebody has changed since.")
    ] = False,
    dry_run: DryRun = False,
    reason: Reason = None,
    yes: Yes = False,
) -> None:
    """Restore exactly what a cut-over changed, even after one that failed half-way.

    Nothing is probed: in an emergency the old URL is better than none. A rollback is a run, too, and can be rolled back.

    Example: b2bpilot twilio rollback 20261123T194501Z-cutover-3f9a
    """
    from b2bpilot.ops.cutover import switch
    from b2bpilot.ops.runs.runs import find, require_ended

    record = find(early(ctx).runs_home, run)
    pilot = in_environment_of(ctx, record)
    require_ended(record)
    if record.command not in (switch.CUTOVER, switch.ROLLBACK):
        raise UsageError(f"run {record.run_id} is a {record.command}, not a cut-over")
    run_record.require_same_place(pilot, record)
    twilio = twilio_access_of(pilot).connect()
    _require_same_account(record, twilio)
    with the_only_switch(pilot):
        undone, gone = _there_and_gone(twilio, switch.undone(record))
        left = switch.remaining(twilio, undone, run_id=record.run_id, force=force)
        blank = switch.without_url(twilio, undone)
        if left or not (blank or gone):
            show_changes(pilot, left)
        if dry_run:
            pilot.output.notice(DRY_RUN)
        elif left:
            pilot.confirmation(yes=yes).ask(_question(pilot, record.run_id), "Continue?")
            _restore(pilot, record, twilio, left, reason=reason)
    _require_all_restored(blank, gone, is_some_restored=bool(left) and not dry_run)


def _restore(
    pilot: Pilot, record: RunRecord, twilio: Twilio, left: Sequence[Change], *, reason: str | None
) -> None:
    from b2bpilot.ops.cutover import switch

    parameters = {
        "of": record.run_id,
        "twilio_account": twilio.account_sid,
        "things": [each.sid for each in left],
    }
    with new_run(pilot, switch.ROLLBACK, reason=reason, parameters=parameters) as journal:
        switch.write_plan(journal, left)
        unread = switch.switch(twilio, left, journal)
        journal.finish({"changed": len(left)})
    _show_end(pilot, journal.run_id, left, unread)
    if any(each.is_contested for each in left):
        pilot.output.notice(
            f"What run {record.run_id} sent without an answer may still be carried out: look again with "
            + our_command("twilio", "route")
        )


def _question(pilot: Pilot, run_id: str) -> Sequence[str]:
    return ["", f"Take run {run_id} back:", f"  {pilot.environment}"]


def _show_end(pilot: Pilot, run_id: str, left: Sequence[Change], unread: Sequence[Change]) -> None:
    from b2bpilot.ops.cutover import switch

    text = ["", f"Restored {len(left)}; {switch.in_words(left, unread)}"]
    pilot.output.record({"restored": len(left), "run_id": run_id}, text=text)
    tell_to_look(pilot)


def _require_same_account(record: RunRecord, twilio: Twilio) -> None:
    known = record.parameters.get("twilio_account")
    if known != twilio.account_sid:
        raise Refused(
            f"run {record.run_id} changed Twilio account {known}; this environment uses {twilio.account_sid}"
        )


def _there_and_gone(twilio: Twilio, undone: Sequence[Change]) -> tuple[Sequence[Change], Sequence[Change]]:
    """What was released or deleted since keeps nothing else from being restored."""
    from b2bpilot.ops.cutover import switch

    there = switch.present(twilio, undone)
    return there, [each for each in undone if each not in there]


def _require_all_restored(blank: Sequence[Change], gone: Sequence[Change], *, is_some_restored: bool) -> None:
    """Raises PartlyFailed, or Refused where there was nothing else to restore."""
    if not blank and not gone:
        return
    told = "; ".join([*_blank_in_words(blank), *_gone_in_words(gone)])
    hint = "point it elsewhere with " + our_command("twilio", "cutover", "--to", "URL") if blank else None
    if is_some_restored:
        raise PartlyFailed(told, hint=hint)
    raise Refused(told, hint=hint)


def _blank_in_words(blank: Sequence[Change]) -> Iterator[str]:
    if blank:
        keep = "keeps" if len(blank) == 1 else "keep"
        yield f"{_names(blank)} had no URL before and {keep} the new one: without a URL messages are lost for good"


def _gone_in_words(gone: Sequence[Change]) -> Iterator[str]:
    if gone:
        yield f"{_names(gone)} {'is' if len(gone) == 1 else 'are'} not at Twilio any more"


def _names(changes: Sequence[Change]) -> str:
    return ", ".join(f"{each.level.value} {each.sid}" for each in changes)
