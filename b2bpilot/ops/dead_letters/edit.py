"""Correcting the message inside a dead letter: which one it is, and what an editor makes of it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import unified_diff
from typing import Any

from b2bpilot.advice import our_command
from b2bpilot.errors import (
    NOTHING_CHANGED,
    MessageTooLarge,
    MessageUnreadable,
    NotFound,
    NotOurs,
    PilotError,
    Refused,
    UsageError,
)
from b2bpilot.ops.dead_letters.archive import REPLACEMENT, Archived, Origin, archived
from b2bpilot.ops.dead_letters.filters import Selection
from b2bpilot.ops.dead_letters.peek import peek
from b2bpilot.ops.dead_letters.sweep import THE_OTHERS
from b2bpilot.ops.ports import VisibilityQueue
from b2bpilot.ops.table.row_state import RowState
from b2bpilot.ops.visible import escaped, one_line
from b2bpilot.pipeline.dead_letter import DeadLetter, Shape
from b2bpilot.pipeline.message import decode, encode
from b2bpilot.plural import many

MODELINE = re.compile(r"(?<![a-z0-9])(?:ex|vim?[<=>]?[0-9]*):|kate:|local variables:|-\*-", re.IGNORECASE)
"""What vi, Kate and Emacs look for in a text, to be told how to treat it, or what to run."""
LOCKED = ("message_id", "test")


class EditInvalid(PilotError):
    """What came out of the editor is not a message."""

    code = "edit_invalid"
    outcome = NOTHING_CHANGED


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """The dead letter, its inner message as an editor gets it, and what came back."""

    dead_letter: DeadLetter
    before: str
    after: str

    @property
    def is_change(self) -> bool:
        return bool(json.loads(self.before) != json.loads(self.after))

    def diff(self) -> list[str]:
        """The changed lines only: what stands around them is not the operator's business."""
        lines = unified_diff(self.before.split("\n"), _pretty(json.loads(self.after)).split("\n"), n=0)
        return [text for text in lines if not text.startswith(("---", "+++", "@@"))]


def find_dead_letter(queue: VisibilityQueue, dead_letter_id: str, *, now: datetime) -> DeadLetter:
    """Return the only dead letter with this message_id or id in the queue; it is visible to everybody again.

    Raises NotFound, UsageError when there are several, MessageUnreadable when there is no message in it, AwsError.
    """
    dead_letters: list[DeadLetter] = []
    selection = Selection(message_ids=frozenset({dead_letter_id}))
    seen = peek(queue, now=now, selection=selection, visit=dead_letters.append)
    if not dead_letters:
        missing = f"no dead letter has the id {dead_letter_id}"
        if not seen.is_complete:
            missing = (
                f"none of {many(seen.saw, 'dead letter')}, of about {seen.about:,}, has the id {dead_letter_id}: "
                f"{THE_OTHERS}"
            )
        raise NotFound(missing, hint="see " + our_command("dlq", "list"))
    if len(dead_letters) > 1:
        ids = ", ".join(dead_letter.queue_message_id for dead_letter in dead_letters)
        raise UsageError(
            f"{len(dead_letters)} dead letters hold message {dead_letter_id}",
            hint=f"name one by its id: {ids}",
        )
    (dead_letter,) = dead_letters
    if dead_letter.unreadable:
        raise MessageUnreadable(f"dead letter {dead_letter_id} cannot be edited: {dead_letter.unreadable}")
    return dead_letter


def require_editable(dead_letter: DeadLetter, state: RowState) -> None:
    """Raises Refused for a message that is completed, or that a run works on, and NotOurs."""
    require_ours(dead_letter)
    message_id = dead_letter.message_id or dead_letter.queue_message_id
    if state is RowState.COMPLETED and dead_letter.owner.rows_count:
        raise Refused(
            f"message {message_id} is completed: an edited one would be skipped as its duplicate",
            hint="take the dead letter out with " + our_command("dlq", "discard", "--message-id", message_id),
        )
    if state is RowState.DISCARDED:
        raise Refused(
            f"a person discarded message {message_id}: an edited one would not be stored",
            hint=our_command("inspect", message_id)
            + " names the run; "
            + our_command("dlq", "restore", "RUN")
            + " takes it back",
        )
    if state is RowState.IN_PROGRESS:
        raise Refused(
            f"a lease on message {message_id} holds: a run is at work on it, or died a moment ago",
            hint="edit it when the lease has ended: "
            + our_command("submissions", "show", message_id)
            + " shows when",
        )


def require_ours(dead_letter: DeadLetter) -> None:
    """Raises NotOurs."""
    if not dead_letter.owner.is_ours:
        raise NotOurs(f"dead letter {dead_letter.queue_message_id} is {dead_letter.owner.not_ours}")


def text_for_editor(dead_letter: DeadLetter) -> str:
    """Return the inner message as JSON for people."""
    return _pretty(json.loads(_inner(dead_letter)))


def edited(dead_letter: DeadLetter, after: str) -> Edit:
    """Check what came out of the editor. Raises EditInvalid."""
    before = text_for_editor(dead_letter)
    try:
        document = json.loads(after)
    except (ValueError, RecursionError) as exc:
        raise EditInvalid(f"what the editor left is not JSON: {exc}") from exc
    for name in LOCKED:
        if isinstance(document, dict) and document.get(name) == json.loads(before).get(name):
            continue
        raise EditInvalid(
            f"{name} cannot be changed: it is the message's identity",
            hint="to publish another message: " + our_command("publish"),
        )
    try:
        encode(decode(json.dumps(document)))
    except (MessageUnreadable, MessageTooLarge) as exc:
        raise EditInvalid(f"not a message that can be sent: {exc}") from exc
    return Edit(dead_letter=dead_letter, before=before, after=after)


def replacement(edit: Edit, origin: Origin) -> Archived:
    """Return the edited dead letter: the original with another inner message, and with its failure attributes."""
    text = json.dumps(json.loads(edit.after))
    original = archived(edit.dead_letter, origin)
    return replace(original, kind=REPLACEMENT, body=_with_inner(edit.dead_letter, text))


def _pretty(document: object) -> str:
    """Escaped as JSON takes it: what can't be seen, what a terminal obeys, and what an editor takes for its settings."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return "".join(f"{MODELINE.sub(_unmade, one_line(line))}\n" for line in text.split("\n"))


def _unmade(match: re.Match[str]) -> str:
    return match[0][:-1] + escaped(match[0][-1])


def _inner(dead_letter: DeadLetter) -> str:
    if dead_letter.event is None:
        raise MessageUnreadable(dead_letter.unreadable or "the dead letter cannot be read")
    return str(dead_letter.event["Records"][0]["Sns"]["Message"])


def _with_inner(dead_letter: DeadLetter, text: str) -> str:
    """Return the dead letter's body around another message, in the shape that it has."""
    document = json.loads(dead_letter.body)
    if dead_letter.shape in (Shape.RAW, Shape.QUEUE) and not {"Records", "Message"} & document.keys():
        return text
    notification = _notification(dead_letter.shape, document)
    notification["Message"] = text
    values = encode(decode(text)).attributes
    for name, attribute in (notification.get("MessageAttributes") or {}).items():
        if name in values and name != "priority" and isinstance(attribute, dict):
            attribute["Value"] = values[name]["StringValue"]
    return json.dumps(document)


def _notification(shape: Shape, document: dict[str, Any]) -> dict[str, Any]:
    if shape in (Shape.SUBSCRIPTION, Shape.QUEUE):
        return document
    event = document["requestPayload"] if shape is Shape.DESTINATION else document
    notification: dict[str, Any] = event["Records"][0]["Sns"]
    return notification
