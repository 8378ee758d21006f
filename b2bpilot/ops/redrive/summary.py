"""What a redrive did, by the rows' word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from b2bpilot.advice import Words, our_command
from b2bpilot.errors import PartlyFailed
from b2bpilot.ops.dead_letters.decision import Decision, asked_of
from b2bpilot.ops.dead_letters.sweep import UNSEEN_HINT, unseen_in_short
from b2bpilot.ops.redrive.plan import Plan
from b2bpilot.ops.redrive.routes import SentDeadLetter
from b2bpilot.ops.sending.result import SendOutcome
from b2bpilot.ops.table.row_proof import Proof, RowOutcome
from b2bpilot.ops.table.row_state import Asked
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.plural import many

SECOND_STAYS = "another of its message was sent, and the row is not completed"
NOT_COMPLETED = "sent, but its row is not completed yet"
TOLD = {
    SendOutcome.PROCESSED: "completed, as the function said, and no row was asked",
    SendOutcome.RETURNED: SendOutcome.RETURNED.value,
    SendOutcome.ACCEPTED: "accepted by AWS",
}
UNPROVEN = "sent; no row was asked, as the database is not proven to be the processor's"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A message that is not completed, why, and whether its dead letter is still in the queue; None: nobody can tell."""

    message_id: str | None
    queue_message_id: str
    reason: str
    in_queue: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a run did, by the rows' word, in dead letters: each is counted once. `removed` were completed before and only deleted."""

    completed: int = 0
    processed: int = 0
    """Out of the queue on the function's word that it completed the message; no row was asked."""
    returned: int = 0
    """Out of the queue as another subscriber's function returned without an error, and said no more."""
    accepted: int = 0
    """Out of the queue as AWS accepted them for another subscriber: what became of them is not known."""
    rows_asked: bool = True
    is_by_answers: bool = False
    """Of another subscriber: there are no rows to ask, and its function's answer is all the proof there is."""
    removed: int = 0
    not_sent: int = 0
    """Left in the queue untouched: a stage before them had too many failures."""
    set_aside: int = 0
    others: int = 0
    """Left in the queue as they are another subscriber's: nothing was to be done with them."""
    unfinished: tuple[Unfinished, ...] = ()
    stopped: bool = False
    """A stage had too many failures."""
    has_more: bool = False
    """It stopped before it took all the dead letters that it is about; nobody knows how many there are."""
    unseen: int = 0
    """About so many may be meant, and no receive brought them: by SQS's counters."""

    def counts(self) -> dict[str, int]:
        return {
            "completed": self.completed,
            **({"processed": self.processed} if self.processed or self.is_by_answers else {}),
            **({"returned": self.returned, "accepted": self.accepted} if self.is_by_answers else {}),
            "removed": self.removed,
            "set_aside": self.set_aside,
            "not_sent": self.not_sent,
            "unfinished": len(self.unfinished),
            **({"others": self.others} if self.others else {}),
            **({"unseen": self.unseen} if self.unseen else {}),
        }

    @property
    def is_certain(self) -> bool:
        """Whether each dead letter is known to be in the queue or out of it."""
        return all(one.in_queue is not None for one in self.unfinished)

    @property
    def everything_completed(self) -> bool:
        return not (
            (self.processed and not self.is_by_answers)
            or self.accepted
            or self.unfinished
            or self.not_sent
            or self.set_aside
            or self.has_more
            or self.unseen
        )

    def __add__(self, other: Summary) -> Summary:
        return Summary(
            completed=self.completed + other.completed,
            processed=self.processed + other.processed,
            returned=self.returned + other.returned,
            accepted=self.accepted + other.accepted,
            rows_asked=self.rows_asked and other.rows_asked,
            is_by_answers=self.is_by_answers or other.is_by_answers,
            removed=self.removed + other.removed,
            not_sent=self.not_sent + other.not_sent,
            set_aside=self.set_aside + other.set_aside,
            others=self.others + other.others,
            unfinished=self.unfinished + other.unfinished,
            stopped=self.stopped or other.stopped,
            has_more=self.has_more or other.has_more,
            unseen=self.unseen + other.unseen,
        )


def summarize(
    plan: Plan,
    sent: Sequence[SentDeadLetter],
    proof: Proof,
    *,
    deleted: Collection[str],
    stopped: bool,
    is_by_answers: bool = False,
) -> Summary:
    """Bring together what was sent, what SQS deleted (by its own ids) and what the rows say, or the answers."""
    told = Counter(
        one.result.outcome
        for one in sent
        if _is_told(one, proof) and one.dead_letter.queue_message_id in deleted
    )
    open_ = [found for one in sent if (found := _unfinished(one, proof, deleted)) is not None]
    return Summary(
        completed=len(sent) - told.total() - len(open_),
        processed=told[SendOutcome.PROCESSED],
        returned=told[SendOutcome.RETURNED],
        accepted=told[SendOutcome.ACCEPTED],
        rows_asked=not is_by_answers
        and not any(one.outcome is RowOutcome.UNPROVEN for one in proof.messages.values()),
        is_by_answers=is_by_answers,
        not_sent=plan.count(Decision.SEND) - len(sent),
        set_aside=plan.left_alone - plan.others,
        others=plan.others,
        unfinished=tuple(open_),
        stopped=stopped,
    )


def summarize_removal(dead_letters: Sequence[DeadLetter], *, deleted: Collection[str]) -> Summary:
    """Return the same of dead letters that were only to be removed."""
    kept = [dead_letter for dead_letter in dead_letters if dead_letter.queue_message_id not in deleted]
    return Summary(
        removed=len(deleted),
        unfinished=tuple(_left(dead_letter, "SQS did not delete it", in_queue=True) for dead_letter in kept),
    )


def summarize_seconds(seconds: Sequence[DeadLetter], sent: Sequence[SentDeadLetter], proof: Proof) -> Summary:
    """Return what stays of them: of a message that is not completed, or that was not sent any more."""
    tried = {asked_of(one.dead_letter) for one in sent}
    left = [one for one in seconds if proof.outcome(asked_of(one)) is not RowOutcome.COMPLETED]
    return Summary(
        not_sent=sum(asked_of(one) not in tried for one in left),
        unfinished=tuple(_left(one, SECOND_STAYS, in_queue=True) for one in left if asked_of(one) in tried),
    )


def require_everything_completed(summary: Summary, *, again: Words) -> None:
    """Raises PartlyFailed, with where the rest is, unless every dead letter's message is completed.

    `again` says how to send what was not sent: the same dead letters, and no others.
    """
    if summary.everything_completed:
        return
    done = summary.completed + summary.removed
    others = len(summary.unfinished) + summary.not_sent + summary.set_aside
    hint: Words = our_command("dlq", "list") + " shows what is in the queue now"
    if summary.not_sent:
        hint = again
    if not summary.is_certain:
        hint = "dead letters of this run are in flight elsewhere: resume it again when they are visible"
    more = "; it stopped before it came to the others in the queue" if summary.has_more else ""
    if summary.unseen:
        more += f"; {unseen_in_short(summary.unseen)}"
        hint = UNSEEN_HINT if summary.is_certain and not others else hint
    if summary.is_by_answers:
        raise PartlyFailed(f"dead letters: {', '.join(_by_answers(summary, others))}{more}", hint=hint)
    if summary.rows_asked:
        raise PartlyFailed(f"{many(done, 'dead letter')} completed, {others:,} not{more}", hint=hint)
    parts = [f"{summary.processed:,} processed, as the function said"] if summary.processed else []
    parts += [f"{done:,} completed"] if done else []
    parts += [f"{others:,} not known to be completed"] if others else []
    raise PartlyFailed(f"of the dead letters, {'; '.join(parts)}; no row was asked{more}", hint=hint)


def _by_answers(summary: Summary, others: int) -> list[str]:
    done = summary.processed + summary.removed
    parts = [f"{done:,} processed, as the function said"] if done or not summary.accepted else []
    parts += [f"{summary.returned:,} {SendOutcome.RETURNED}"] if summary.returned else []
    parts += (
        [f"{summary.accepted:,} accepted by AWS and not known to be processed"] if summary.accepted else []
    )
    return parts + ([f"{others:,} not processed"] if others else [])


def _left(dead_letter: DeadLetter, reason: str, *, in_queue: bool) -> Unfinished:
    return Unfinished(
        message_id=dead_letter.message_id,
        queue_message_id=dead_letter.queue_message_id,
        reason=reason,
        in_queue=in_queue,
    )


def _reason(proof: Proof, message: Asked) -> str:
    match proof.outcome(message):
        case RowOutcome.FAILED:
            return f"failed again: {proof.error(message)}"
        case RowOutcome.ABANDONED:
            return f"abandoned: {proof.error(message)}"
        case RowOutcome.DISCARDED:
            return f"not stored: {proof.error(message)}"
        case RowOutcome.UNPROVEN:
            return UNPROVEN
    return NOT_COMPLETED


def _is_told(one: SentDeadLetter, proof: Proof) -> bool:
    """Whether the route's word is all that is known of it, and says enough. Of the processor's messages only the function's
    counts."""
    match proof.outcome(asked_of(one.dead_letter)):
        case RowOutcome.UNPROVEN:
            return one.result.outcome is SendOutcome.PROCESSED
        case RowOutcome.NO_ROW:
            return one.result.is_confirmed
    return False


def _unfinished(one: SentDeadLetter, proof: Proof, deleted: Collection[str]) -> Unfinished | None:
    """None for what is completed, or said to be, and out of the queue."""
    message = asked_of(one.dead_letter)
    is_deleted = one.dead_letter.queue_message_id in deleted
    if not one.result.is_confirmed:
        reason = one.result.error or one.result.outcome.value
    elif _is_told(one, proof):
        if is_deleted:
            return None
        reason = f"{TOLD[one.result.outcome]}; SQS did not delete its dead letter"
    elif proof.outcome(message) is not RowOutcome.COMPLETED:
        reason = _reason(proof, message)
    elif not is_deleted:
        reason = "completed, but SQS did not delete its dead letter"
    else:
        return None
    return _left(one.dead_letter, reason, in_queue=not is_deleted)
