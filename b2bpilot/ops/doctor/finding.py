"""One thing that was looked at on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from b2bpilot.advice import Words
from b2bpilot.errors import PilotError
from b2bpilot.ops.verify.check import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFinding:
    """`subject` says what was looked at, `then` what to do. SKIPPED has not asked, and says why."""

    subject: str
    status: Status
    seen: str
    then: Words = ""


Findings = Iterator[MachineFinding]


def fine(subject: str, seen: str) -> MachineFinding:
    return MachineFinding(subject=subject, status=Status.OK, seen=seen)


def warned(subject: str, seen: str, then: Words) -> MachineFinding:
    return MachineFinding(subject=subject, status=Status.WARNING, seen=seen, then=then)


def wrong(subject: str, seen: str, then: Words) -> MachineFinding:
    return MachineFinding(subject=subject, status=Status.FAILED, seen=seen, then=then)


def not_asked(subject: str, why: str) -> MachineFinding:
    return MachineFinding(subject=subject, status=Status.SKIPPED, seen=f"not asked: {why}")


def refused(subject: str, exc: PilotError, *, is_needed: bool) -> MachineFinding:
    """What keeps from working what is wanted is a failure, else a warning."""
    return (wrong if is_needed else warned)(subject, str(exc), exc.hint or "")
