"""Running `b2bpilot verify`: asking first where it matters, showing results as they come, leaving nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.frame.settings import Format
from b2bpilot.errors import CredentialsMissing, EnvironmentUnknown, NotConfirmed, PilotError, UsageError

if TYPE_CHECKING:
    from b2bpilot.aws.stack import StackOutputs
    from b2bpilot.cli.output import Row
    from b2bpilot.ops.verify.check import Check, CheckResult
    from b2bpilot.ops.verify.deployment import Choices, Deployment

SHORT, JUNIT = "short", "junit"
NAME_SECONDS = 5.0
"""How long it may take to see that a name is nobody's; an AWS that is slower is what the checks tell of."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    """What was asked for on the command line."""

    checks: Sequence[Check]
    subscribers: tuple[str, ...]
    wait: timedelta
    check_seconds: float
    strict: bool
    end_to_end: bool
    keep: bool
    with_twilio: bool
    yes: bool
    both: bool = False


def run(pilot: Pilot, request: VerifyOptions) -> list[CheckResult]:
    """Check, show, and return what was shown. Raises UsageError, but waits for a stack that is not there yet, and
    CredentialsMissing: no check can be made then."""
    stack = _stack(pilot, is_waited_for=bool(request.wait))
    choices = _choices(pilot, request)
    with _progress(pilot, len(request.checks)) as tell, _deployment(pilot, choices, tell) as deployment:
        if stack and not request.wait:
            deployment.ask("stack", lambda: stack)
            _require_subscribed(deployment)
        results = _of_both if request.both else _results
        return _show(pilot, results(request, deployment, tell), strict=request.strict)


def _stack(pilot: Pilot, *, is_waited_for: bool) -> StackOutputs | None:
    """None where something else keeps it from being found: the checks say what."""
    from b2bpilot.aws.stack import describe
    from b2bpilot.ops.asking import Inquiry

    name, access = pilot.environment_name, pilot.access
    try:
        found = Inquiry(lambda: describe(name, access), seconds=NAME_SECONDS).result(what="the stack")
    except EnvironmentUnknown:
        if is_waited_for:
            return None
        raise
    except (UsageError, CredentialsMissing):
        raise
    except PilotError:
        return None
    pilot.remember(found)
    return found


def _require_subscribed(deployment: Deployment) -> None:
    """Raises UsageError. Where nobody can be asked, the checks say why."""
    from b2bpilot.errors import AwsError
    from b2bpilot.ops.verify.subscribers import require_subscribed

    if deployment.choices.subscribers:
        with suppress(AwsError):
            require_subscribed(deployment)


def _choices(pilot: Pilot, request: VerifyOptions) -> Choices:
    from b2bpilot.ops.verify.deployment import Choices

    because = _refusal(pilot, request)
    return Choices(
        end_to_end=because is None,
        because=because or "",
        keep=request.keep,
        with_twilio=request.with_twilio,
        row_seconds=max(1.0, request.check_seconds * 0.75),
        subscribers=request.subscribers,
    )


def _refusal(pilot: Pilot, request: VerifyOptions) -> str | None:
    """Return why no test message may be sent; ask for it in production."""
    from b2bpilot.ops.environment import is_production
    from b2bpilot.ops.verify.check import Category

    name = pilot.environment_name
    is_wanted = any(check.category is Category.END_TO_END for check in request.checks)
    if not request.end_to_end:
        return "skipped with --no-e2e"
    if not is_wanted or not is_production(name):
        return None
    plan = [
        f"The last checks send a test message through {name}, and delete its row. Nobody gets a reply.",
        *_reach(pilot),
    ]
    try:
        pilot.confirmation(yes=request.yes).ask(plan, "Send it?")
    except NotConfirmed as exc:
        pilot.output.notice("The test message was not sent.")
        return f"{exc.why}; --yes sends it"
    return None


def _reach(pilot: Pilot) -> list[str]:
    """Say which other subscribers get the message, where there are some. Raises what finding the environment does."""
    from b2bpilot.ops.asking import Inquiry
    from b2bpilot.ops.subscribers.reach import Reach, asked_reach
    from b2bpilot.ops.verify.end_to_end_message import samples

    def ask() -> Reach:
        return asked_reach(pilot.environment, samples(now=pilot.machine()))

    answer = Inquiry(ask, seconds=NAME_SECONDS).answer()
    line = (answer.value or Reach(error=answer.error)).told()
    return [line] if line else []


@contextmanager
def _deployment(pilot: Pilot, choices: Choices, tell: Tell) -> Iterator[Deployment]:
    """Give the deployment, and remove what a test left in it however the block ends."""
    from b2bpilot.cli.twilio.account import api_url_of
    from b2bpilot.ops.verify.deployment import Deployment

    deployment = Deployment(
        name=pilot.environment_name,
        access=pilot.access,
        now=pilot.machine(),
        home=pilot.runs_home,
        given_database_url=pilot.settings.database_url,
        given_database_from=pilot.settings.database_url_from or "",
        twilio_api_url=api_url_of(pilot) if choices.with_twilio else None,
        choices=choices,
        tell=tell,
    )
    try:
        yield deployment
    finally:
        pilot.skews.tell_machine(pilot.clock)
        _clean_up(pilot, deployment)


def _clean_up(pilot: Pilot, deployment: Deployment) -> None:
    if deployment.choices.keep:
        return
    if deployment.other and deployment.other.value:
        _clean_up(pilot, deployment.other.value)
    for message_id, remove in deployment.test_messages.items():
        try:
            is_certain = remove()
        except PilotError as exc:
            pilot.output.notice(f"The row of test message {message_id} was not removed: {exc}")
        else:
            if not is_certain:
                pilot.output.notice(
                    f"Test message {message_id} was still on its way: its row may come back. It is marked as a test."
                )


@contextmanager
def _progress(pilot: Pilot, total: int) -> Iterator[Tell]:
    """On a terminal one line says what is going on; elsewhere only what is being waited for is told."""
    with pilot.output.progress(
        f"Checking {pilot.environment_name}: {total} check{'s'[: total != 1]}"
    ) as tell:
        yield tell


def _results(request: VerifyOptions, deployment: Deployment, tell: Tell) -> Iterator[CheckResult]:
    from b2bpilot.cli.verify.verify_view import waiting_line
    from b2bpilot.ops.verify.runner import Runner
    from b2bpilot.ops.verify.waiting import run_until

    runner = Runner(request.checks, check_seconds=request.check_seconds)
    return run_until(
        runner,
        deployment,
        wait=request.wait,
        strict=request.strict,
        observe=lambda results, left: tell(waiting_line(results, left)),
    )


def _of_both(request: VerifyOptions, deployment: Deployment, tell: Tell) -> Iterator[CheckResult]:
    """Yield this side's, the other one's, and what is about both. All is asked at the same time. Raises UsageError where the
    stack names no other side."""
    from b2bpilot.aws.side_by_side import of_each
    from b2bpilot.ops.verify.check import Category

    deployment.find_other()
    of_side = [check for check in request.checks if check.category is not Category.PAIR]
    theirs = replace(request, checks=of_side)

    def checked(one: Deployment) -> list[CheckResult]:
        asked = request if one is deployment else theirs
        return [_of_side(result, one) for result in _results(asked, one, tell)]

    other = deployment.other.value if deployment.other else None
    mine, *others = of_each(checked, [deployment, other] if other else [deployment])
    yield from (result for result in mine if result.side)
    for results in others:
        yield from results
    yield from (result for result in mine if not result.side)


def _of_side(result: CheckResult, deployment: Deployment) -> CheckResult:
    from b2bpilot.ops.verify.check import Category

    is_of_both = result.check.category is Category.PAIR
    return result if is_of_both else replace(result, side=deployment.access.region or "this side")


def _show(pilot: Pilot, results: Iterator[CheckResult], *, strict: bool) -> list[CheckResult]:
    match pilot.settings.view, pilot.settings.output:
        case (view, _) if view == JUNIT:
            return _as_junit(pilot, list(results), strict=strict)
        case (view, _) if view == SHORT:
            return _as_lines(pilot, results, short=True)
        case _, Format.TABLE:
            return _as_lines(pilot, results, short=False)
    return _as_rows(pilot, results)


def _as_lines(pilot: Pilot, results: Iterator[CheckResult], *, short: bool) -> list[CheckResult]:
    from b2bpilot.cli.verify.verify_view import Page, short_lines
    from b2bpilot.ops.verify.report import summary

    page, shown = Page(), []
    for result in results:
        shown.append(result)
        pilot.output.lines(short_lines(result) if short else page.lines(result))
    gap = [] if short else [""]
    pilot.output.lines([*gap, summary(shown)])
    return shown


def _as_rows(pilot: Pilot, results: Iterator[CheckResult]) -> list[CheckResult]:
    from b2bpilot.cli.output import Row
    from b2bpilot.cli.verify.verify_view import fields
    from b2bpilot.ops.verify.report import counts

    shown: list[CheckResult] = []

    def rows() -> Iterator[Row]:
        for result in results:
            shown.append(result)
            yield Row(fields=fields(result), columns={})

    pilot.output.rows("checks", rows())
    found = {status.value: count for status, count in counts(shown).items()}
    pilot.output.record({"environment": pilot.environment_name, "summary": found}, text=[])
    return shown


def _as_junit(pilot: Pilot, results: list[CheckResult], *, strict: bool) -> list[CheckResult]:
    from b2bpilot.cli.output import Line, Tone
    from b2bpilot.cli.verify.junit import document

    report = document(pilot.environment_name, results, at=pilot.clock.now(), strict=strict)
    pilot.output.lines(Line(line, Tone.DATA) for line in report.split("\n"))
    return results
