"""Correcting the message inside a dead letter: the edited dead letter is put into the queue before the original is deleted."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from difflib import unified_diff
from typing import Any

from b2bpilot.advice import our_command
from b2bpilot.errors import (
    NOTHING_CHANGED,
    AwsDenied,
    AwsError,
    CredentialsMissing,
    MessageTooLarge,
    MessageUnreadable,
    NotFound,
    NotOurs,
    PartlyFailed,
    PilotError,
    Refused,
    UsageError,
)
from b2bpilot.ops.dead_letters.archive import REPLACEMENT, Archived, Origin, archived, digest, line
from b2bpilot.ops.dead_letters.entries import entry
from b2bpilot.ops.dead_letters.filters import Selection
from b2bpilot.ops.dead_letters.holding import Holding
from b2bpilot.ops.dead_letters.marks import Doomed, Mark, Marker
from b2bpilot.ops.dead_letters.peek import peek
from b2bpilot.ops.dead_letters.taking import take_named
from b2bpilot.ops.dead_letters.unseen import THE_OTHERS
from b2bpilot.ops.ports import DeadLetterSender, DeletingQueue, JournalWriter, VisibilityQueue
from b2bpilot.ops.runs.durable import DurableFile
from b2bpilot.ops.runs.record import MessageState
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
    wanted = Selection(message_ids=frozenset({dead_letter_id}))
    seen = peek(queue, now=now, selection=wanted, visit=dead_letters.append)
    if not dead_letters:
        told = f"no dead letter has the id {dead_letter_id}"
        if not seen.is_complete:
            told = (
                f"none of {many(seen.saw, 'dead letter')}, of about {seen.about:,}, has the id {dead_letter_id}: "
                f"{THE_OTHERS}"
            )
        raise NotFound(told, hint="see " + our_command("dlq", "list"))
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
            hint="edit it once the lease is over: "
            + our_command("submissions", "show", message_id)
            + " names its end",
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
            f"{name} is locked: it is the message's identity",
            hint="another message is published with " + our_command("publish"),
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


def _unmade(found: re.Match[str]) -> str:
    return found[0][:-1] + escaped(found[0][-1])


def _inner(dead_letter: DeadLetter) -> str:
    if dead_letter.event is None:
        raise MessageUnreadable(dead_letter.unreadable or "the dead letter cannot be read")
    return str(dead_letter.event["Records"][0]["Sns"]["Message"])


def _with_inner(dead_letter: DeadLetter, text: str) -> str:
    """Return the dead letter's body around another message, in the shape that it has."""
    document = json.loads(dead_letter.body)
    if dead_letter.shape is Shape.RAW and "Records" not in document:
        return text
    notification = _notification(dead_letter.shape, document)
    notification["Message"] = text
    values = encode(decode(text)).attributes
    for name, found in (notification.get("MessageAttributes") or {}).items():
        if name in values and name != "priority" and isinstance(found, dict):
            found["Value"] = values[name]["StringValue"]
    return json.dumps(document)


def _notification(shape: Shape, document: dict[str, Any]) -> dict[str, Any]:
    if shape is Shape.SUBSCRIPTION:
        return document
    event = document["requestPayload"] if shape is Shape.DESTINATION else document
    notification: dict[str, Any] = event["Records"][0]["Sns"]
    return notification


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace:
    """One run: archive both dead letters, journal, send the new one, check, delete the old one."""

    queue: DeletingQueue
    sender: DeadLetterSender
    journal: JournalWriter
    archive: DurableFile
    marker: Marker
    known: MessageState | None = field(default=None)
    patience_seconds: float = 0
    """How long to wait for what the killed process of a resumed run still hides."""
    monotonic: Callable[[], float] = time.monotonic

    def run(self, original: Archived, new: Archived, *, is_sent: bool = False) -> str | None:
        """Return why the row does not say what the edited dead letter says, if it has to: then somebody may publish the original.

        Raises NotFound when the original is gone, Refused and AwsError when nothing was sent, and PartlyFailed when both
        are in the queue now or nobody can tell.
        """
        wanted = {original.queue_message_id}
        with Holding(self.queue) as held:
            found: list[DeadLetter] = []
            take_named(
                held, wanted, found.extend, patience_seconds=self.patience_seconds, clock=self.monotonic
            )
            if not found:
                self._gone(original, is_sent=is_sent, others=held.others())
                return None
            if not is_sent:
                self._archive(found[0], original, new)
            not_replaced = self._replace_row(found[0], is_sent=is_sent)
            if not is_sent:
                self._send(found[0], new)
            self._delete(held, found[0])
            return not_replaced

    def _archive(self, dead_letter: DeadLetter, original: Archived, new: Archived) -> None:
        if self.known is None or not self.known.was_archived:
            self.archive.append([line(original), line(new)])
            self.journal.write(entry("archived", dead_letter))

    def _replace_row(self, dead_letter: DeadLetter, *, is_sent: bool) -> str | None:
        """Let the row say what the edited dead letter will: who publishes the row would publish what the original says. What the
        run did before it sent is not done again: since then the edited dead letter may have been stored, or edited."""
        if is_sent and self.known is not None and self.known.mark == Mark.MARKED:
            return None
        marking = self.marker.mark(self.journal, [Doomed.of(dead_letter)])[dead_letter.queue_message_id]
        if marking.mark in (Mark.BUSY, Mark.COMPLETED, Mark.EARLIER) and not is_sent:
            why = marking.why or "the message is completed"
            self.journal.write(entry("failed", dead_letter, error=why))
            raise Refused(f"the dead letter cannot be replaced now: {why}", outcome="Nothing was sent")
        return marking.why if marking.mark is Mark.NOT_MARKED else None

    def _send(self, dead_letter: DeadLetter, new: Archived) -> None:
        self.journal.write(entry("sending", dead_letter, digest=digest(new.outgoing)))
        unsent = self.sender.send([new.outgoing])
        if not unsent:
            self.journal.write(entry("accepted", dead_letter))
            return
        error = unsent[0].error
        if not error.is_unknown:
            self.journal.write(entry("failed", dead_letter, error=str(error)))
            raise error
        self.journal.write(entry("unknown", dead_letter, error=str(error)))
        raise PartlyFailed(
            f"nobody knows whether the edited dead letter is in the queue; the original is: {error}",
            hint=our_command("runs", "resume", self.marker.run_id) + " looks for it and goes on",
        )

    def _delete(self, held: Holding, dead_letter: DeadLetter) -> None:
        hint = our_command("runs", "resume", self.marker.run_id) + " deletes the original"
        sent = "the edited dead letter is in the queue"
        try:
            refused = bool(held.delete([dead_letter]))
        except (AwsDenied, CredentialsMissing):
            raise
        except AwsError as exc:
            if exc.is_unknown:
                raise PartlyFailed(
                    f"{sent}; whether the original is, too, nobody knows: {exc}", hint=hint
                ) from exc
            raise PartlyFailed(f"{sent}, and the original too: {exc}", hint=hint) from exc
        if refused:
            raise PartlyFailed(f"{sent}, and the original too: SQS did not delete it", hint=hint)
        self.journal.write(entry("deleted", dead_letter))

    def _gone(self, original: Archived, *, is_sent: bool, others: int) -> None:
        """After the edited dead letter was sent, an original that no long poll brings was deleted by us, if the queue has no
        other dead letter that could be it; before, by somebody else."""
        message = original.dead_letter.message
        fields = {
            "queue_message_id": original.queue_message_id,
            "message_id": message.message_id if message else None,
        }
        if is_sent and others:
            raise PartlyFailed(
                "the edited dead letter is in the queue; whether the original is, too, cannot be told: about "
                f"{others:,} could not be received",
                hint=our_command("runs", "resume", self.marker.run_id) + " looks again",
            )
        if is_sent:
            self.journal.write({"event": "deleted", **fields, "found": "gone"})
            return
        self.journal.write(
            {"event": "failed", **fields, "error": "the original is not in the queue any more"}
        )
        raise NotFound(
            "the dead letter is not in the queue any more, or somebody else has it; no edited one was sent",
            hint="see " + our_command("dlq", "list"),
        )


def was_sent(queue: VisibilityQueue, new: Archived, state: MessageState, *, now: datetime) -> bool:
    """Tell whether an interrupted run's edited dead letter reached the queue: by the journal, else by its contents there."""
    if state.was_accepted:
        return True
    if not state.is_unknown:
        return False
    return is_in_queue(queue, new, now=now)


def is_in_queue(queue: VisibilityQueue, new: Archived, *, now: datetime) -> bool:
    """Tell whether a dead letter with these contents was seen."""
    contents: list[str] = []

    def visit(dead_letter: DeadLetter) -> None:
        contents.append(digest(archived(dead_letter, new.origin).outgoing))

    peek(queue, now=now, visit=visit)
    return digest(new.outgoing) in contents


def archived_pair(entries: Sequence[Archived]) -> tuple[Archived, Archived]:
    """Return the original and the edited dead letter of a run's archive. Raises NotFound when it did not get that far."""
    by_kind: Mapping[str, Archived] = {each.kind: each for each in entries}
    if len(by_kind) < 2:  # noqa: PLR2004  # both of them
        raise NotFound("the run ended before it changed anything", hint="edit the dead letter again")
    return by_kind["letter"], by_kind[REPLACEMENT]
