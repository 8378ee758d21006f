"""Writing changes to Twilio: the old values journalled first, each written once, each read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, assert_never

from b2bpilot.errors import PartlyFailed, PilotError, Refused, UsageError
from b2bpilot.ops.cutover.change import Change, restored, saved
from b2bpilot.ops.cutover.route import Level
from b2bpilot.ops.runs.record import RunRecord, Stage, entries
from b2bpilot.ops.runs.runs import records
from b2bpilot.twilio.failures import TwilioFailed
from b2bpilot.twilio.numbers import application, number, set_application_webhook, set_number_webhook
from b2bpilot.twilio.rest import Twilio
from b2bpilot.twilio.services import service, set_service_webhook
from b2bpilot.twilio.webhook_setting import WebhookSetting

CUTOVER, ROLLBACK = "cutover", "rollback"
PLAN_COMPLETE = "plan_complete"


class Journal(Protocol):
    @property
    def run_id(self) -> str: ...
    def write(self, *entries: Mapping[str, object], durable: bool = True) -> None: ...


def write_plan(journal: Journal, changes: Sequence[Change]) -> None:
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
                    level=Level(entry["level"]),
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
                f"run {record.run_id} was rolled back by {rollback.run_id}. Nothing was changed",
                hint="see `b2bpilot twilio route`; to cut over again: b2bpilot twilio cutover",
            )


def undone(record: RunRecord) -> list[Change]:
    """Return what takes a run's changes back, the last one first; what it never began is left alone."""
    begun = {sid for sid, state in record.messages.items() if state.stage is not Stage.PLANNED}
    return [each.reversed for each in reversed(planned(record)) if each.sid in begun]


def remaining(twilio: Twilio, changes: Sequence[Change], *, force: bool = False) -> list[Change]:
    """Return the changes that are still to be made, as things are now; never one that leaves no URL. Reads only.

    Raises Refused where somebody has set something else since, unless `force`.
    """
    left = []
    for each in changes:
        now = read(twilio, each)
        if now == each.after or not each.after.url:
            continue
        if now != each.before and not force:
            raise Refused(
                f"{each.level.value} {each.sid} was set to something else since. Nothing was changed",
                hint="see `b2bpilot twilio route`; only `twilio rollback --force` overwrites it",
            )
        left.append(Change(level=each.level, sid=each.sid, before=now, after=each.after))
    return left


def switch(twilio: Twilio, changes: Sequence[Change], journal: Journal) -> None:
    """Make the changes, one after the other. Raises PartlyFailed, or the first one's error when nothing was changed."""
    for place, each in enumerate(changes):
        journal.write(_entry("sending", each))
        try:
            _write_and_read_back(twilio, each)
        except PilotError as exc:
            journal.write(_entry("failed", each, error=str(exc)))
            raise _stopped(twilio, changes, place, exc, journal.run_id) from exc
        journal.write(_entry("accepted", each))


def without_url(twilio: Twilio, changes: Sequence[Change]) -> list[Change]:
    """Return those that would take the URL from a thing, which had none before: they are not made (facts D5). Reads only."""
    return [each for each in changes if not each.after.url and read(twilio, each).url]


def _write_and_read_back(twilio: Twilio, change: Change) -> None:
    """A write without an answer may have been made: what Twilio says afterwards counts."""
    failure: TwilioFailed | None = None
    try:
        _write(twilio, change)
    except TwilioFailed as exc:
        failure = exc
    try:
        is_set = read(twilio, change) == change.after
    except TwilioFailed as exc:
        raise failure or exc from None
    if not is_set:
        raise failure or TwilioFailed(
            f"{change.level.value} {change.sid} does not show what was written to it"
        )


def read(twilio: Twilio, change: Change) -> WebhookSetting:
    """Return what is set now."""
    match change.level:
        case Level.APPLICATION:
            return application(twilio, change.sid).webhook
        case Level.SERVICE:
            return service(twilio, change.sid).webhook
        case Level.NUMBER:
            return number(twilio, change.sid).webhook
        case _:
            assert_never(change.level)


def _write(twilio: Twilio, change: Change) -> None:
    match change.level:
        case Level.APPLICATION:
            set_application_webhook(twilio, change.sid, change.after)
        case Level.SERVICE:
            set_service_webhook(twilio, change.sid, change.after)
        case Level.NUMBER:
            set_number_webhook(twilio, change.sid, change.after)
        case _:
            assert_never(change.level)


def _stopped(
    twilio: Twilio, changes: Sequence[Change], done: int, error: PilotError, run_id: str
) -> PilotError:
    """Say how far it came. A write without an answer may have been made: Twilio is asked, if it answers."""
    each = changes[done]
    try:
        is_untouched = read(twilio, each) == each.before
    except PilotError:
        is_untouched = False
    if done == 0 and is_untouched:
        return type(error)(f"{error}. Nothing was changed", hint=error.hint)
    state = "is as it was" if is_untouched else "may be changed"
    return PartlyFailed(
        f"{error}; {done} of {len(changes)} were changed before, {each.sid} {state}",
        hint=f"back to what was: b2bpilot twilio rollback {run_id}; or on: b2bpilot runs resume {run_id}",
    )


def _entry(event: str, change: Change, **fields: object) -> dict[str, object]:
    return {"event": event, "queue_message_id": change.sid, "level": change.level.value, **fields}
