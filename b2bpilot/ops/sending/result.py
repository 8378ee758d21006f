"""What is known of something after it was sent."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from b2bpilot.aws.processor import FATAL
from b2bpilot.errors import AwsError, AwsThrottled, PilotError


class SendOutcome(StrEnum):
    """What a route says of one dead letter or message. Only the first three confirm anything."""

    PROCESSED = "processed"
    """The function ran and the message is completed."""
    RETURNED = "returned without an error"
    """Another subscriber's function ran, and says no more."""
    ACCEPTED = "accepted"
    """AWS has it; what became of it, only the row can tell."""
    FAILED = "failed"
    BUSY = "in progress"
    """The function left it alone, because a lease on it holds: nothing is known of the message itself."""
    THROTTLED = "throttled"
    """Not sent; may be sent again at once, more slowly."""
    NOT_SENT = "not sent"
    """Nor would it be: the call was refused, or one before it."""
    UNKNOWN = "unknown"
    """Perhaps sent: no answer came. Sent again, the claim absorbs the second time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """What became of sending one."""

    outcome: SendOutcome
    error: str | None = None
    fatal: PilotError | None = None
    """What every other one would run into as well; to be raised once the results that came with it are in the journal."""

    @property
    def is_confirmed(self) -> bool:
        return self.outcome in (SendOutcome.PROCESSED, SendOutcome.RETURNED, SendOutcome.ACCEPTED)

    @property
    def is_throttled(self) -> bool:
        return self.outcome is SendOutcome.THROTTLED


def result_after(error: AwsError) -> SendResult:
    """Return what a call that failed says of what it should have sent."""
    match error:
        case AwsThrottled():
            return SendResult(outcome=SendOutcome.THROTTLED, error=str(error))
        case _ if isinstance(error, FATAL):
            return SendResult(outcome=SendOutcome.NOT_SENT, error=str(error), fatal=error)
    outcome = SendOutcome.UNKNOWN if error.is_unknown else SendOutcome.NOT_SENT
    return SendResult(outcome=outcome, error=str(error))
