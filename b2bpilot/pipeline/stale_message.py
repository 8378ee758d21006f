"""The message that a row was made from, to be published again."""

from __future__ import annotations

from b2bpilot.errors import MessageUnreadable
from b2bpilot.pipeline.message import (
    PilotMessage,
    Priority,
    Source,
    format_time,
    message_id_for,
    new_message_id,
    parse_message_id,
    parse_time,
)
from b2bpilot.pipeline.models import ReplyState, UserSubmission


def identity_of(submission: UserSubmission) -> str:
    """Return the row's message_id in the canonical spelling, or the one that a row of the old system gets.

    Raises MessageUnreadable for an id that is none.
    """
    if submission.message_id is not None:
        return parse_message_id(submission.message_id)
    return message_id_for(submission.message_sid) if submission.message_sid else new_message_id()


def message_from(
    submission: UserSubmission, message_id: str, *, source: Source = Source.STALE, lenient: bool = False
) -> PilotMessage:
    """Return the message; a row of the old system has only its columns to tell.

    Raises MessageUnreadable for what this version does not know, or the processor could not read. Where a person asked for
    it, `lenient` takes an unknown priority for the normal one, and leaves an unknown reply state to the processor, which
    sends no reply then.
    """
    state = submission.reply_state
    if state is not None and not isinstance(state, ReplyState) and not lenient:
        raise MessageUnreadable(f"reply state {state!r} is another version's")
    return PilotMessage(
        message_id=message_id,
        source=source,
        received_at=parse_time(format_time(submission.received_at or submission.created_at)),
        params=_params(submission),
        test=submission.test,
        priority=_priority(submission.priority, lenient=lenient),
    )


def _priority(stored: str | None, *, lenient: bool) -> Priority:
    try:
        return Priority(stored or "normal")
    except ValueError as exc:
        if lenient:
            return Priority.NORMAL
        raise MessageUnreadable(f"priority {stored!r} is another version's") from exc


def _params(submission: UserSubmission) -> dict[str, str]:
    stored = submission.params
    if stored is None:
        return _params_from_columns(submission)
    if not isinstance(stored, dict) or not all(isinstance(value, str) for value in stored.values()):
        raise MessageUnreadable("params is not an object of strings")
    return stored


def _params_from_columns(submission: UserSubmission) -> dict[str, str]:
    params = {
        "MessageSid": submission.message_sid,
        "From": submission.from_number,
        "To": submission.to_number,
        "Body": submission.body,
        "NumMedia": str(submission.num_media),
    }
    return {name: value for name, value in params.items() if value is not None}
