"""What one name means: a check, an alarm, an exit code, an error's code, the cause of a dead letter."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from b2bpilot.advice import Command, Place, Words, our_command, written
from b2bpilot.ops.verify.alarm_table import AlarmDefinition
from b2bpilot.ops.verify.check import Category, Check, Severity
from b2bpilot.ops.verify.fixes import UNFILLED
from b2bpilot.ops.verify.report import anchor


class Subject(StrEnum):
    """What a name is the name of."""

    CHECK = "check"
    ALARM = "alarm"
    EXIT_CODE = "exit code"
    ERROR = "error"
    DEAD_LETTER = "cause of dead letters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """`run` is what fixes a check or what to run first; `{name}` in it stands for an output of the stack. `fills_in` is the
    command that prints it with the names, None where it has none to fill in."""

    name: str
    subject: Subject
    statement: str
    why: str = ""
    category: str | None = None
    severity: str | None = None
    run: Words = ""
    fills_in: Command | None = None
    needs: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    docs: str | None = None


def of_check(check: Check) -> Explanation:
    """Return what docs/checks.md says of a check, which is made of this. Where what to do depends on what is seen, asking the
    check comes first: its line says it."""
    asking = our_command("verify", "--only", check.code)
    if check.category is Category.TWILIO:
        asking = our_command("verify", "--only", check.code, "--with-twilio")
    return Explanation(
        name=check.code,
        subject=Subject.CHECK,
        statement=f"{check.statement[:1].upper()}{check.statement[1:]}.",
        why=check.why,
        category=check.category.value,
        severity="warning" if check.severity is Severity.WARNING else "failure",
        run=check.fix or asking,
        fills_in=asking if UNFILLED.search(str(check.fix)) else None,
        needs=check.needs,
        actions=check.actions,
        docs=anchor(check),
    )


def of_alarm(alarm: AlarmDefinition) -> Explanation:
    return Explanation(
        name=alarm.name,
        subject=Subject.ALARM,
        statement=f"{alarm.description}.",
        why=f"It watches {alarm.metric} of {alarm.namespace}.",
        run=alarm.first,
        docs=f"docs/troubleshooting.md#{alarm.name}",
    )


def shell_line(run: Words, place: Place) -> str:
    """Return a command that stands alone: amid a shell's own parts, such as `$(...)`, no backticks are wanted."""
    parts = (run,) if isinstance(run, str) else run.parts()
    return "".join(written(part, place) for part in parts).replace("{{", "{").replace("}}", "}")
