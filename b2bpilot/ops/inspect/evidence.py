"""All that was found out about one message, as the diagnosis needs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from b2bpilot.ops.inspect.attempts import ProcessorRun
from b2bpilot.ops.inspect.source import AskedSource, AtTwilio, Rejection, WebhookFailure
from b2bpilot.ops.logs.entry import LogEntry
from b2bpilot.ops.retries import Retries
from b2bpilot.ops.table.database_proof import DatabaseProof
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.models import UserSubmission

INVOKE = "invoke"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEvidence:
    """`row_problem` says why the database was not asked: then nothing is known of the row, not even that there is none.

    `other_row` has the message's id and proves nothing: it is another message's, or of a database that is not proven to be
    the processor's; `other_row_is` says which.
    """

    message_id: str
    row: UserSubmission | None
    row_problem: str | None
    other_row: UserSubmission | None = None
    other_row_is: str = ""
    database: DatabaseProof | None = None
    asked: Sequence[AskedSource]
    attempts: Sequence[ProcessorRun]
    now: datetime

    def lines(self, function: str, *events: str) -> list[LogEntry]:
        """Return what a function wrote about the message, oldest first."""
        found = [
            line
            for line in self._entries()
            if line.function == function and line.event in events and line.message_id == self.message_id
        ]
        return sorted(found, key=lambda line: line.at)

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """The dead letters of the message that are ours: those of another subscriber say nothing of what became of it here, nor
        do those of a test that has a real message's id, or the reverse."""
        return [dead_letter for dead_letter in self._own_kind() if dead_letter.owner.is_ours]

    @property
    def other_dead_letters(self) -> list[DeadLetter]:
        """Those of another subscriber, and those of which nobody knows whose they are."""
        return [dead_letter for dead_letter in self._own_kind() if not dead_letter.owner.is_ours]

    def _own_kind(self) -> list[DeadLetter]:
        found = [dead_letter for one in self.asked for dead_letter in one.answer.dead_letters]
        if self.row is None:
            return found
        return [
            dead_letter
            for dead_letter in found
            if not dead_letter.message or dead_letter.message.test is self.row.test
        ]

    @property
    def rejections(self) -> list[Rejection]:
        return [reason for one in self.asked for reason in one.answer.rejections]

    @property
    def at_twilio(self) -> AtTwilio | None:
        """None when Twilio was not asked, or did not answer."""
        return next((one.answer.at_twilio for one in self.asked if one.answer.at_twilio), None)

    @property
    def webhook_failures(self) -> list[WebhookFailure]:
        """As Twilio tells of them, oldest first."""
        found = [failure for one in self.asked for failure in one.answer.webhook_failures]
        return sorted(found, key=lambda failure: failure.at)

    @property
    def discarded_in(self) -> str | None:
        """The run of this machine that discarded a dead letter of it, which nobody put back."""
        return next((one.answer.discarded_in for one in self.asked if one.answer.discarded_in), None)

    @property
    def retries(self) -> Retries:
        return next((one.answer.retries for one in self.asked if one.answer.retries), Retries())

    @property
    def routes(self) -> dict[str, str | None]:
        """By which route each known run sent it. The redriver runs the processor synchronously."""
        remote = {str(line.value("run_id")): INVOKE for line in self.lines("redriver", "redrive_failed")}
        return {one.run_id: one.via for said in self.asked for one in said.answer.sendings} | remote

    @property
    def accepted_ids(self) -> frozenset[str]:
        """What SNS called the message when it accepted it, by whoever published it."""
        told = [moment.sns_message_id for one in self.asked for moment in one.answer.moments]
        published = [*self.lines("webhook", "published"), *self.lines("stale", "republished")]
        told += [str(line.value("sns_message_id") or "") for line in published]
        return frozenset(one for one in told if one)

    @property
    def unseen_deliveries(self) -> list[str]:
        """Those of which no run is in the log."""
        seen = {sns for run in self.attempts for sns in run.ids("sns_message_id")}
        return sorted(self.accepted_ids - seen)

    @property
    def is_known(self) -> bool:
        """Whether anything knows the message."""
        return bool(self.row or self.other_row) or any(one.answer.moments for one in self.asked)

    def was_asked(self, name: str) -> bool:
        """Whether a source answered, and looked at everything it has."""
        return any(one.name == name and not one.problem and not one.answer.note for one in self.asked)

    @property
    def knows_all_runs(self) -> bool:
        """Whether the logs of all that store messages were read to their ends; without an express lane it is one."""
        express = [one for one in self.asked if one.name == "express log"]
        return self.was_asked("processor log") and not any(one.problem or one.answer.note for one in express)

    def events(self) -> frozenset[str]:
        return frozenset().union(*(run.events for run in self.attempts)) if self.attempts else frozenset()

    def _entries(self) -> Iterator[LogEntry]:
        return (line for one in self.asked for line in one.answer.entries)
