"""Writing changes to Twilio: the old values journalled first, each written once, each looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from b2bpilot.advice import Words, our_command
from b2bpilot.errors import NOTHING_CHANGED, PartlyFailed, PilotError, Refused, UsageError
from b2bpilot.ops.cutover import writing
from b2bpilot.ops.cutover.change import Change, restored, saved
from b2bpilot.ops.cutover.route import RouteLevel
from b2bpilot.ops.cutover.writing import make, name_of, read
from b2bpilot.ops.ports import JournalWriter
from b2bpilot.ops.runs.record import RunRecord, Stage, entries
from b2bpilot.ops.runs.runs import records
from b2bpilot.pipeline.waiting import pause
from b2bpilot.twilio.failures import TwilioFailed, TwilioNotFound
from b2bpilot.twilio.rest import Twilio
from b2bpilot.twilio.webhook_setting import WebhookSetting

CUTOVER, ROLLBACK = "cutover", "rollback"
PLAN_COMPLETE = "plan_complete"
STEADY = 3
"""So many looks in a row must agree that a thing is not as it was left."""


def write_plan(journal: JournalWriter, changes: Sequence[Change]) -> None:
    """Write down the old and the new values of everything, before anything is changed."""
    journal.write(
        *(
            _entry("planned", each, decision="send", saved=saved(each.before), wanted=saved(each.after))
            for each in changes
        ),
        {"event": PLAN_COMPLETE},
    )


def planned(record: RunRecord) -> list[Change]:
    """Return the changes of a run. Raises UsageError when it ended before it had written them all down."""
    found, is_complete = [], False
    for entry in entries(record.path):
        is_complete = is_complete or entry.get("event") == PLAN_COMPLETE
        if entry.get("event") == "planned":
            found.append(
                Change(
                    level=RouteLevel(entry["level"]),
                    sid=str(entry["queue_message_id"]),
                    before=restored(entry["saved"]),
                    after=restored(entry["wanted"]),
                )
            )
    if not is_complete:
        raise UsageError(f"run {record.run_id} ended before it changed anything")
    return found


def require_not_rolled_back(home: Path, record: RunRecord, *, unreadable: Callable[[str], None]) -> None:
    """Raises Refused when a rollback of this run was begun, however far it came."""
    for rollback in records(home, ROLLBACK, unreadable=unreadable):
        if rollback.parameters.get("of") == record.run_id:
            raise Refused(
                f"run {record.run_id} was rolled back by {rollback.run_id}",
                hint="see "
                + our_command("twilio", "route")
                + "; to cut over again: "
                + our_command("twilio", "cutover", "--to", "stack"),
            )


def undone(record: RunRecord) -> list[Change]:
    """Return what takes a run's changes back, the last one first; what it never began is left alone."""
    begun = {sid: state for sid, state in record.messages.items() if state.stage is not Stage.PLANNED}
    return [
        replace(each.reversed, is_contested=begun[each.sid].is_unknown)
        for each in reversed(planned(record))
        if each.sid in begun
    ]


def remaining(
    twilio: Twilio, changes: Sequence[Change], *, run_id: str | None = None, force: bool = False
) -> list[Change]:
    """Return the changes that are still to be made, as things are now; never one that leaves no URL. Reads only.

    Raises Refused where somebody has set something else since, unless `force`; `run_id` can be taken back all the same.
    """
    left, shown = [], _shown_now(twilio, changes)
    for each in changes:
        now = shown[each.sid]
        if not each.after.url or (now == each.after and not each.is_contested):
            continue
        if now not in (each.before, each.after) and not force:
            raise Refused(
                f"{name_of(each)} was set to something else since",
                outcome="This command wrote nothing",
                hint=_overwriting(run_id),
            )
        left.append(replace(each, before=each.before if now == each.after else now))
    return left


def present(twilio: Twilio, changes: Sequence[Change]) -> list[Change]:
    """Return the changes of what is still at Twilio. Reads only."""
    return [each for each in changes if _is_there(twilio, each)]


def _is_there(twilio: Twilio, change: Change) -> bool:
    try:
        read(twilio, change)
    except TwilioNotFound:
        return False
    return True


def _overwriting(run_id: str | None) -> Words:
    see = "see " + our_command("twilio", "route")
    if run_id is None:
        return see
    return see + "; back to what was before, over it: " + our_command("twilio", "rollback", run_id, "--force")


def _shown_now(twilio: Twilio, changes: Sequence[Change]) -> dict[str, WebhookSetting]:
    """Read everything; what is not as it was left is looked at again: a read may show what was before
    (docs/aws-facts.md#message-lists)."""
    shown = {each.sid: read(twilio, each) for each in changes}
    for _ in range(STEADY - 1):
        odd = [each for each in changes if shown[each.sid] != each.before]
        if not odd:
            break
        pause(writing.PAUSE_SECONDS)
        shown |= {each.sid: read(twilio, each) for each in odd}
    return shown


def switch(
    twilio: Twilio, changes: Sequence[Change], journal: JournalWriter, *, is_resumed: bool = False
) -> list[Change]:
    """Make the changes, one after the other; return those that only Twilio's answer tells of, as they could not be read.

    Raises PartlyFailed, or the first one's error when certainly nothing was changed.
    """
    unread = []
    for place, each in enumerate(changes):
        journal.write(_entry("sending", each))
        try:
            is_read_back = make(twilio, each)
        except PilotError as exc:
            is_unknown = isinstance(exc, TwilioFailed) and exc.is_unknown
            journal.write(_entry("unknown" if is_unknown else "failed", each, error=str(exc)))
            if place == 0 and not is_unknown and not is_resumed:
                exc.outcome = NOTHING_CHANGED
                raise
            raise _stopped(changes, place, exc, run_id=journal.run_id, is_unknown=is_unknown) from exc
        journal.write(_entry("accepted", each))
        if not is_read_back:
            unread.append(each)
    return unread


def without_url(twilio: Twilio, changes: Sequence[Change]) -> list[Change]:
    """Return those that would take the URL from a thing, which had none before: they are not made
    (docs/aws-facts.md#effective-url). Reads only."""
    blanking = [each for each in changes if not each.after.url]
    shown = _shown_now(twilio, blanking)
    return [each for each in blanking if shown[each.sid].url]


def has_begun(record: RunRecord) -> bool:
    """Tell whether a run may have changed anything."""
    return any(state.stage is not Stage.PLANNED for state in record.messages.values())


def counts(record: RunRecord, changes: Sequence[Change], made: Sequence[Change]) -> dict[str, int]:
    """Return what a run that was gone on with has changed, and what it found set: by an answer that it lost, or by somebody."""
    accepted = {sid for sid, state in record.messages.items() if state.was_accepted}
    changed = accepted | {each.sid for each in made}
    found = sum(each.sid not in changed for each in changes)
    return {"changed": len(changed), **({"set_already": found} if found else {})}


def in_words(changes: Sequence[Change], unread: Sequence[Change]) -> str:
    """Say how it is known that changes were made."""
    if not unread:
        return "read back and found as written"
    names = ", ".join(each.sid for each in unread)
    return f"as Twilio's answers say; {len(unread)} of {len(changes)} could not be read back: {names}"


def _stopped(
    changes: Sequence[Change], done: int, error: PilotError, *, run_id: str, is_unknown: bool
) -> PartlyFailed:
    """Say how far it came, and what is known of the one at which it stopped."""
    each, total = changes[done], len(changes)
    state = "may be changed, now or in a moment" if is_unknown else "was not changed"
    rest = f", {total - done - 1} not tried" if done + 1 < total else ""
    return PartlyFailed(
        f"{error.why}; {done} of {total} changed before, {name_of(each)} {state}{rest}",
        hint="see "
        + our_command("twilio", "route")
        + "; back to what was: "
        + our_command("twilio", "rollback", run_id)
        + "; "
        "or on: " + our_command("runs", "resume", run_id),
    )


def _entry(event: str, change: Change, **fields: object) -> dict[str, object]:
    return {"event": event, "queue_message_id": change.sid, "level": change.level.value, **fields}
