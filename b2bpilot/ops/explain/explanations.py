"""Everything that can be explained."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from b2bpilot import errors
from b2bpilot.errors import PilotError
from b2bpilot.ops.explain.texts import EXIT_CODES, FAILURES, OTHER_ERRORS
from b2bpilot.ops.verify.alarm_table import ALARMS
from b2bpilot.ops.verify.catalogue import CHECKS
from b2bpilot.ops.verify.explanation import Explanation, Subject, of_alarm, of_check


def explanations() -> Iterator[Explanation]:
    """Yield everything that can be explained, in the order in which it is listed."""
    yield from map(of_check, CHECKS)
    yield from map(of_alarm, ALARMS)
    for number, (meaning, then) in EXIT_CODES.items():
        yield Explanation(name=str(number), subject=Subject.EXIT_CODE, statement=meaning, why=then)
    for kind, (meaning, run) in FAILURES.items():
        yield Explanation(name=kind.value, subject=Subject.DEAD_LETTER, statement=meaning, run=run)
    yield from _errors()


def _errors() -> Iterator[Explanation]:
    """Several classes may have one code; the first says what it means."""
    told = dict(OTHER_ERRORS)
    for cls in vars(errors).values():
        if isinstance(cls, type) and issubclass(cls, PilotError):
            told.setdefault(cls.code, ((inspect.getdoc(cls) or "").partition("\n")[0], cls.exit_code))
    for code, (statement, exit_code) in told.items():
        why = f"The command ends with exit code {exit_code}."
        yield Explanation(name=code, subject=Subject.ERROR, statement=statement, why=why)
