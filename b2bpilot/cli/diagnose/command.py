"""`b2bpilot diagnose`."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.options import FOUND_SOMETHING, CheckTimeout, WithTwilio, exit_code_if
from b2bpilot.cli.text.durations import parse_duration

if TYPE_CHECKING:
    from b2bpilot.ops.diagnose.diagnosis import Diagnosis
    from b2bpilot.ops.diagnose.symptom import Symptom
    from b2bpilot.ops.verify.deployment import Deployment


class SymptomName(StrEnum):
    NOT_PROCESSED = "not-processed"
    DUPLICATES = "duplicates"
    ERRORS = "errors"
    COST = "cost"


def diagnose(
    ctx: typer.Context,
    topic: Annotated[
        SymptomName | None,
        typer.Argument(
            help="not-processed, duplicates, errors or cost.  [default: all]",
            metavar="[SYMPTOM]",
        ),
    ] = None,
    *,
    with_twilio: WithTwilio = False,
    check_timeout: CheckTimeout = "20s",
    exit_code: Annotated[bool, exit_code_if("a cause was found")] = False,
) -> None:
    """Find the cause of a symptom: what was ruled out, what was found, what to do. Changes nothing and sends no message.

    `cost` estimates this month's bill from CloudWatch, and looks for runs that no new message explains.

    Example: b2bpilot diagnose -e prod not-processed
    """
    pilot = pilot_of(ctx)
    seconds = parse_duration(check_timeout, "--check-timeout").total_seconds()
    topics = [topic] if topic else list(SymptomName)
    found = _symptoms(pilot, topics, with_twilio=with_twilio, seconds=seconds)
    if SymptomName.COST in topics:
        found |= _cost(pilot, is_first=len(topics) == 1)
    if exit_code and found:
        raise typer.Exit(FOUND_SOMETHING)


def _symptoms(pilot: Pilot, topics: Sequence[SymptomName], *, with_twilio: bool, seconds: float) -> bool:
    """Show the diagnoses, and tell whether one found a cause."""
    from b2bpilot.cli.dlq.group_view import remember
    from b2bpilot.ops.diagnose.diagnosis import diagnose as operation
    from b2bpilot.ops.diagnose.evidence import dead_letters_told
    from b2bpilot.ops.diagnose.symptom import Symptom

    symptoms = [Symptom(topic.value) for topic in topics if topic is not SymptomName.COST]
    if not symptoms:
        return False
    with pilot.output.progress(f"Looking at {pilot.environment_name}: {_named(symptoms)}"):
        environment = pilot.environment  # without its stack nothing can be told
        deployment = _deployment(pilot, with_twilio=with_twilio)
        deployment.ask("stack", lambda: environment.stack)
        found = operation(symptoms, deployment, check_seconds=seconds)
    if listing := dead_letters_told(deployment):
        remember(pilot, environment.queue().url, listing)
    return _show(pilot, found)


def _named(symptoms: Sequence[Symptom]) -> str:
    return ", ".join(symptom.value for symptom in symptoms)


def _deployment(pilot: Pilot, *, with_twilio: bool) -> Deployment:
    from b2bpilot.cli.twilio.account import api_url_of
    from b2bpilot.ops.verify.deployment import Choices, Deployment

    return Deployment(
        name=pilot.environment_name,
        access=pilot.access,
        now=pilot.now(),
        given_database_url=pilot.settings.database_url,
        given_database_from=pilot.settings.database_url_from or "",
        twilio_api_url=api_url_of(pilot) if with_twilio else None,
        choices=Choices(end_to_end=False, with_twilio=with_twilio),
    )


def _show(pilot: Pilot, found: Sequence[Diagnosis]) -> bool:
    from b2bpilot.cli.diagnose.diagnosis_view import fields, lines
    from b2bpilot.ops.diagnose.diagnosis import HypothesisState

    pilot.output.record({"diagnoses": [fields(one) for one in found]}, text=[])
    for place, one in enumerate(found):
        gap = [""] if place else []
        pilot.output.lines([*gap, *lines(one)])
    return any(one.count(HypothesisState.FOUND) for one in found)


def _cost(pilot: Pilot, *, is_first: bool) -> bool:
    """Show the estimate, and tell whether something looks like a loop."""
    from b2bpilot.cli.diagnose import cost_view
    from b2bpilot.cli.output import Line, Tone
    from b2bpilot.ops.cost.estimate import estimate
    from b2bpilot.ops.cost.loops import loops
    from b2bpilot.ops.cost.usage import usage
    from b2bpilot.ops.verify.deployment import PROBE_TIMEOUTS

    with pilot.output.progress("Asking CloudWatch what was used this month"):
        used = usage(pilot.environment, now=pilot.now(), timeouts=PROBE_TIMEOUTS)
    found, suspicious = estimate(used), loops(used)
    pilot.output.record({"cost": cost_view.document(found, suspicious)}, text=[])
    heading = [] if is_first else [Line(), Line("cost: what the pipeline costs", Tone.HEADING)]
    pilot.output.lines([*heading, *cost_view.lines(found, suspicious)])
    return bool(suspicious)
