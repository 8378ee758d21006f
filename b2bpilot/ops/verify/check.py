"""A check: a statement that can be true, why it matters, how to find out, and the command that fixes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from b2bpilot.advice import Words

if TYPE_CHECKING:
    from b2bpilot.ops.verify.deployment import Deployment


class Category(StrEnum):
    """What a check is about, in the order in which they are shown: later ones stand on earlier ones."""

    ACCESS = "access"
    STACK = "stack"
    WEBHOOK = "webhook"
    TOPIC = "topic"
    PROCESSOR = "processor"
    DEAD_LETTERS = "dead-letters"
    STALE = "stale"
    DATABASE = "database"
    ALARMS = "alarms"
    SUBSCRIBERS = "subscribers"
    TWILIO = "twilio"
    END_TO_END = "end-to-end"
    PAIR = "pair"


class Severity(StrEnum):
    """What a statement that is not true means: messages can be lost or stop, or somebody should look."""

    FATAL = "fatal"
    WARNING = "warning"


class Status(StrEnum):
    """How a check ended. SKIPPED has looked at nothing and says why."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a probe found. `is_true` None means that it could not look; `seen` then says why.

    `fix` replaces the check's own command where what was seen decides it. `may_change` says that waiting can make it true.
    `is_known` False: who was asked did not answer, so that it is not known to be true, and not known to be wrong. `severity`
    replaces the check's own, where what was seen is less than what the check looks for.
    """

    is_true: bool | None
    seen: str
    fix: Words | None = None
    may_change: bool = False
    is_known: bool = True
    severity: Severity | None = None


def holds(seen: str) -> Answer:
    return Answer(is_true=True, seen=seen)


def fails(seen: str, *, fix: Words | None = None, may_change: bool = False) -> Answer:
    return Answer(is_true=False, seen=seen, fix=fix, may_change=may_change)


def warns(seen: str, *, fix: Words | None = None) -> Answer:
    """Nothing was seen to be wrong, and that all is well is not proven: somebody should look."""
    return Answer(is_true=False, seen=seen, fix=fix, is_known=False, severity=Severity.WARNING)


def silent(seen: str, *, may_change: bool) -> Answer:
    """Who was asked did not answer: nobody knows, which is not fine. No command fixes what is not known to be wrong."""
    return Answer(is_true=False, seen=seen, fix="", may_change=may_change, is_known=False)


def unanswered(reason: str) -> Answer:
    """Nothing was looked at, and no failure either: the check has no meaning here, or the source does not answer it."""
    return Answer(is_true=None, seen=reason)


Probe = Callable[["Deployment"], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One statement about a deployment.

    `code` is stable: B2B and three digits, never given to another statement. `fix` is a command, of ours or in which `{name}` stands
    for an output of the stack (aws.stack.StackOutputs) or, in the documentation, for a placeholder. `actions` are the IAM
    actions that the probe uses. `needs` are codes that must hold, or asking has no meaning; those of `unless_failed`
    may be unknown, but must not have failed. `extra_seconds` is added to the time that every check has.
    """

    code: str
    category: Category
    statement: str
    why: str
    probe: Probe
    fix: Words = ""
    severity: Severity = Severity.FATAL
    actions: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    unless_failed: tuple[str, ...] = ()
    extra_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """How one check ended. `fix` is a command that can be copied, None where nothing is to be fixed. `is_known` is the
    answer's."""

    check: Check
    status: Status
    seen: str
    fix: str | None = None
    may_change: bool = False
    is_known: bool = True
    seconds: float = 0.0
    side: str = ""
    """The region, where both sides of a pair were checked; none of what is about both."""
