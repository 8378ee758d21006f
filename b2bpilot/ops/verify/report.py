"""What the results come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from b2bpilot.errors import UsageError
from b2bpilot.ops.verify.check import Check, CheckResult, Status

DOCUMENT = "docs/checks.md"


def anchor(check: Check) -> str:
    """Return where a check is explained."""
    return f"{DOCUMENT}#{check.code.lower()}"


def said(result: CheckResult) -> str:
    """Return a result in one line: what is so. The statement is the check's name, and no fact where it is not ok."""
    statement = result.check.statement
    if result.status is Status.OK:
        return f"{statement}: {result.seen}" if result.seen else statement
    return f"{result.seen} (check: that {statement})"


def counts(results: Sequence[CheckResult]) -> dict[Status, int]:
    found = Counter(result.status for result in results)
    return {status: found[status] for status in Status}


def summary(results: Sequence[CheckResult]) -> str:
    """`61 ok, 1 warning, 1 failed, 2 skipped`; what there is none of is left out, but for `ok`."""
    found = counts(results)
    parts = [f"{found[Status.OK]} ok"]
    if warnings := found[Status.WARNING]:
        parts.append("1 warning" if warnings == 1 else f"{warnings} warnings")
    parts += [f"{found[status]} {status}" for status in (Status.FAILED, Status.SKIPPED) if found[status]]
    return ", ".join(parts)


def has_failed(results: Sequence[CheckResult], *, strict: bool) -> bool:
    return any(
        result.status is Status.FAILED or (strict and result.status is Status.WARNING) for result in results
    )


def require_some_asked(results: Sequence[CheckResult]) -> None:
    """Raises UsageError when every check was left out: that none failed says nothing then."""
    if all(result.status is Status.SKIPPED for result in results):
        reasons = "; ".join(dict.fromkeys(result.seen for result in results))
        raise UsageError(f"nothing was checked: {reasons}", hint="choose checks that can be asked: --only")
