"""What Twilio's side of the story means, and how a message that only Twilio has is brought back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from b2bpilot.advice import Words, our_command
from b2bpilot.ops.inspect.evidence import MessageEvidence
from b2bpilot.pipeline.message import format_time

BY_DEFAULT = timedelta(hours=23)
"""`twilio reconcile` looks 24 hours back unless it is told more."""
BEFORE = timedelta(minutes=1)


def in_words(evidence: MessageEvidence) -> str:
    """Return what is known of its arrival there; empty when Twilio was not asked."""
    found = evidence.at_twilio
    if found is None:
        return ""
    if found.is_absent:
        return "This environment's Twilio account has no such message"
    if found.received_at is None:
        return "Twilio sent it, and did not receive it"
    failed = sorted({failure.code for failure in evidence.webhook_failures})
    said = f"Twilio received it {found.received_at:%H:%M:%S}"
    return f"{said}, its webhook call failed: {', '.join(failed)}" if failed else said


def gaps(evidence: MessageEvidence, *, is_lost: bool) -> Iterator[str]:
    """Name what Twilio should have and has not: a message, or a reason."""
    found = evidence.at_twilio
    if found is None:
        return
    if found.is_absent and evidence.lines("webhook", "rejected"):
        yield "this environment's Twilio account has no such message: it is another account's, or somebody else sent the request"
    if is_lost and not evidence.webhook_failures:
        yield "Twilio tells of no failed webhook call: nothing says why the webhook did not get it"


def recovery(evidence: MessageEvidence) -> Iterator[Words]:
    """Propose to publish it from Twilio's copy, where there is one or may be one."""
    found = evidence.at_twilio
    if found is None:
        yield (
            our_command("twilio", "reconcile")
            + "   (tells whether it was stored meanwhile; Twilio may still have it)"
        )
    elif found.received_at is not None:
        is_old = evidence.now - found.received_at > BY_DEFAULT
        since = ("--since", format_time(found.received_at - BEFORE)) if is_old else ()
        yield our_command("twilio", "reconcile", *since, "--publish-missing") + "   (Twilio still has it)"
