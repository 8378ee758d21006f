"""Running checks side by side, each with its own time limit."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace

from b2bpilot.advice import Words
from b2bpilot.errors import (
    AwsDenied,
    AwsError,
    AwsThrottled,
    AwsUnreachable,
    DatabaseError,
    DatabaseUnreachable,
    MigrationFailed,
    PilotError,
    SchemaOutdated,
)
from b2bpilot.ops.asking import Inquiry, NoAnswer
from b2bpilot.ops.verify.check import Answer, Check, CheckResult, Severity, Status, fails, silent, unanswered
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.fixes import command, told
from b2bpilot.pipeline.waiting import monotonic
from b2bpilot.twilio.failures import TwilioThrottled, TwilioUnreachable, TwilioUnreadable

CHECK_SECONDS = 20.0
SIDE_BY_SIDE = 12
MAY_PASS = (AwsThrottled, AwsUnreachable, DatabaseUnreachable)
"""What another try may not meet again."""
SEEN = (SchemaOutdated, MigrationFailed)
"""What the database has shown; its other errors say only that it did not answer here and now."""
SILENCE = (AwsError, DatabaseError, TwilioThrottled, TwilioUnreachable, TwilioUnreadable)
"""Nothing is known of what was asked about."""

Pending = Mapping[str, "Future[CheckResult]"]


class Runner:
    """Runs checks over a deployment. A check begins when those that decide about it have ended."""

    def __init__(
        self,
        checks: Sequence[Check],
        *,
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        self.checks = checks
        self._check_seconds = check_seconds

    def run(
        self, deployment: Deployment, known: Mapping[str, CheckResult] | None = None
    ) -> Iterator[CheckResult]:
        """Yield each result in the order of the checks, as soon as it and those before it are there.

        What is `known` by its code is not looked at again.
        """
        turns = threading.Semaphore(SIDE_BY_SIDE)
        results: dict[str, Future[CheckResult]] = {check.code: Future() for check in self.checks}
        for check in self.checks:
            if known and check.code in known:
                results[check.code].set_result(known[check.code])
                continue
            # A daemon: a probe that hangs must not keep the program from ending.
            threading.Thread(
                target=self._settle, args=(check, deployment, results, turns), daemon=True, name=check.code
            ).start()
        for check in self.checks:
            yield results[check.code].result()

    def _settle(
        self, check: Check, deployment: Deployment, results: Pending, turns: threading.Semaphore
    ) -> None:
        try:
            result = _left_out(check, results)
            if result is None:
                with turns:
                    result = self._probed(check, deployment)
            results[check.code].set_result(result)
        except Exception as exc:  # noqa: BLE001  # one check that breaks is not the end of all
            results[check.code].set_result(_result(check, silent(_broke(exc), may_change=False), fix=None))

    def _probed(self, check: Check, deployment: Deployment) -> CheckResult:
        """The command is made within the time, too: it may ask for the stack."""
        started = monotonic()
        limit = self._check_seconds + check.extra_seconds
        asked = Inquiry(lambda: _judged(check, _answer(check, deployment), deployment), seconds=limit)
        try:
            result = asked.result(what=check.code)
        except NoAnswer:
            late = silent(f"no answer within {limit:g} s", may_change=True)
            result = _result(check, late, fix=None)
        return replace(result, seconds=monotonic() - started)


def _left_out(check: Check, results: Pending) -> CheckResult | None:
    """Return the result of a check that has no meaning after others, once they have ended."""
    needed = [results[code].result() for code in check.needs if code in results]
    missing = [one for one in needed if one.status in (Status.FAILED, Status.SKIPPED)]
    deciding = [results[code].result() for code in check.unless_failed if code in results]
    missing += [one for one in deciding if one.status is Status.FAILED]
    if not missing:
        return None
    return CheckResult(
        check=check,
        status=Status.SKIPPED,
        seen=f"needs {', '.join(dict.fromkeys(one.check.code for one in missing))}",
        may_change=all(one.may_change for one in missing),
    )


def _answer(check: Check, deployment: Deployment) -> Answer:
    try:
        return check.probe(deployment)
    except AwsDenied as exc:
        return unanswered(f"the caller may not {exc.action or ', '.join(check.actions)}")
    except SEEN as exc:
        return fails(told(exc, deployment))
    except SILENCE as exc:
        return silent(told(exc, deployment), may_change=isinstance(exc, MAY_PASS))
    except PilotError as exc:
        return fails(told(exc, deployment))
    except Exception as exc:  # noqa: BLE001  # a probe that breaks is one failed check, not the end of all
        return silent(_broke(exc), may_change=False)


def _broke(exc: Exception) -> str:
    return f"the check itself broke: {type(exc).__name__}: {exc}"


def _judged(check: Check, answer: Answer, deployment: Deployment) -> CheckResult:
    is_to_be_fixed = _status(check, answer) not in (Status.OK, Status.SKIPPED)
    fix = command(_template(check, answer), deployment) if is_to_be_fixed else None
    return _result(check, answer, fix=fix)


def _result(check: Check, answer: Answer, *, fix: str | None) -> CheckResult:
    return CheckResult(
        check=check,
        status=_status(check, answer),
        seen=answer.seen,
        fix=fix,
        may_change=answer.may_change,
        is_known=answer.is_known,
    )


def _template(check: Check, answer: Answer) -> Words:
    """The answer's own command, an empty one included: what was seen may be nothing that a command fixes."""
    return check.fix if answer.fix is None else answer.fix


def _status(check: Check, answer: Answer) -> Status:
    if answer.is_true is None:
        return Status.SKIPPED
    if answer.is_true:
        return Status.OK
    severity = answer.severity or check.severity
    return Status.WARNING if severity is Severity.WARNING else Status.FAILED
