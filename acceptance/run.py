"""A run: look, announce, ask, try each step, clean up, and say what was not tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from acceptance import leftovers
from acceptance.announcement import announcement
from acceptance.cleaning import remove
from acceptance.command_line import CommandLine
from acceptance.outcome import NotTried, StepFailed
from acceptance.report import DONE, FAILED, Report, Verdict
from acceptance.steps import STEPS, Step
from acceptance.trial import Trial
from b2bpilot.advice import written
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.errors import PilotError
from b2bpilot.ops.runs.journal import Journal, operator_name
from b2bpilot.plural import many

LOOKED_AT = frozenset({0, 1})
"""What verify ends with when it could look: a failed check is what it is asked for."""
STILL_TRIED = (
    "Lambda may still be trying the poisoned messages; their dead letters come within ten minutes. "
    "Run it with --clean then"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """How it is to be done. `known` are checks that are known to fail here."""

    patience: str
    known: frozenset[str]
    strict: bool
    clean: bool
    yes: bool


def accept(pilot: Pilot, commands: CommandLine, request: Request) -> int:
    """Return the exit code. Raises PilotError where nothing was begun."""
    _ = pilot.environment
    report = Report(output=pilot.output)
    if request.clean:
        return _only_clean(pilot, commands, report)
    checks = _look(commands)
    pilot.confirmation(yes=request.yes).ask(announcement(pilot, commands, checks), "Continue?")
    leftovers.remove_all(pilot, commands, report)
    with _journal(pilot) as journal:
        pilot.output.notice(f"run {journal.run_id}")
        _judge_checks(commands, checks, request.known, report)
        trial = Trial(
            environment=pilot.environment,
            commands=commands,
            run_id=journal.run_id,
            patience=request.patience,
            checks=checks,
        )
        _try_all(trial, report)
        if _clean(pilot, trial, report):
            journal.finish(report.counts())
    return report.end(strict=request.strict)


def _only_clean(pilot: Pilot, commands: CommandLine, report: Report) -> int:
    leftovers.remove_all(pilot, commands, report)
    if not report.outcomes:
        pilot.output.notice(f"No run against {pilot.environment} was killed: nothing is left.")
    return FAILED if report.counts()[Verdict.FAILED.value] else DONE


def _look(commands: CommandLine) -> Mapping[str, Mapping[str, Any]]:
    """Return what verify saw, by code, before anything is sent. Raises StepFailed where it could not look."""
    said = commands.run("verify", "--no-e2e", ok=LOOKED_AT)
    if "checks" not in said.document:
        raise StepFailed(f"{said.command}: {said.error.get('message')}", hint=said.error.get("hint"))
    return {check["code"]: check for check in said.document["checks"]}


def _journal(pilot: Pilot) -> Journal:
    stack = pilot.environment.stack
    return Journal.create(
        pilot.runs_home,
        command=leftovers.COMMAND,
        environment=pilot.environment.name,
        account_id=stack.account_id,
        region=stack.region,
        operator=operator_name(),
        reason=None,
        parameters={},
        dated_by=pilot.clock,
    )


def _judge_checks(
    commands: CommandLine, checks: Mapping[str, Mapping[str, Any]], known: frozenset[str], report: Report
) -> None:
    failed = {code: check["seen"] for code, check in sorted(checks.items()) if check["status"] == "failed"}
    for code in sorted(failed.keys() & known):
        report.add("verify", Verdict.NOT_TRIED, f"{code} is known to fail here: {failed[code]}")
    new = [
        f"{code} {checks[code]['statement']}: {seen}" for code, seen in failed.items() if code not in known
    ]
    if new:
        fixes = commands.typed("verify", "--no-e2e")
        report.add("verify", Verdict.FAILED, f"{'; '.join(new)}. What fixes it: {fixes}")
    else:
        counts = Counter(check["status"] for check in checks.values())
        told = f"{counts['ok']} ok, {many(counts['warning'], 'warning')}, {counts['skipped']} skipped"
        report.add("verify", Verdict.PASSED, told)


def _try_all(trial: Trial, report: Report) -> None:
    for step in STEPS:
        try:
            _try(step, trial, report)
        except KeyboardInterrupt:
            report.add(step.name, Verdict.NOT_TRIED, "interrupted; nor was what follows")
            report.was_interrupted = True
            return


def _try(step: Step, trial: Trial, report: Report) -> None:
    try:
        _require_its_needs(step, trial, report)
        saw = step.run(trial)
    except NotTried as exc:
        report.add(step.name, Verdict.NOT_TRIED, str(exc))
    except StepFailed as exc:
        report.add(step.name, Verdict.FAILED, f"{exc}. {exc.hint}")
    else:
        report.add(step.name, Verdict.PASSED, saw)


def _require_its_needs(step: Step, trial: Trial, report: Report) -> None:
    """Raises NotTried."""
    if step.after and not report.passed(step.after):
        raise NotTried(f"it needs the step {step.after!r}")
    trial.require_checks(step.needs)


def _clean(pilot: Pilot, trial: Trial, report: Report) -> bool:
    """Return whether nothing of the run is left, nor will be."""
    try:
        report.add("clean up", Verdict.PASSED, remove(pilot, trial.commands, trial.run_id))
    except PilotError as exc:
        report.add("clean up", Verdict.FAILED, f"{exc}. {written(exc.hint or '', pilot.output.place)}")
        return False
    if trial.expected_dead_letters:
        report.add("clean up", Verdict.FAILED, STILL_TRIED)
    return not trial.expected_dead_letters
