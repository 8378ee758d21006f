"""Checks of the category `dead-letters`: the redriver, and its mapping against the template."""

from __future__ import annotations

from functools import partial

from b2bpilot.aws.mappings import AS_DEPLOYED, BATCH_SIZE, REPORTS, EventSourceMapping, MappingReading
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.functions import READ as READ_FUNCTION
from b2bpilot.ops.verify.functions import existing, is_ready, is_told
from b2bpilot.ops.verify.shared import shared
from b2bpilot.pipeline.remote_run import remote_run

OFF = (
    "aws lambda update-event-source-mapping --uuid {redriver_mapping_id} --no-enabled "
    f"--scaling-config MaximumConcurrency={AS_DEPLOYED}"
)
FIX = (
    "aws lambda update-event-source-mapping --uuid {redriver_mapping_id} "
    f"--batch-size {BATCH_SIZE} --scaling-config MaximumConcurrency={AS_DEPLOYED} "
    f"--function-response-types {REPORTS} --filter-criteria '{{{{}}}}'"
)


def _is_as_deployed(deployment: Deployment) -> Answer:
    """Fails on what loses dead letters, warns of what is merely a drift."""
    mapping = EventSourceMapping.connect(deployment.stack.redriver_mapping_id, access=shared(deployment))
    reading = mapping.read()
    if losing := _losing(reading):
        return fails(f"{'; '.join(losing)}: the next redrive with it loses dead letters")
    if drifted := _drifted(reading):
        return Answer(is_true=False, seen="; ".join(drifted), severity=Severity.WARNING)
    return holds("as the template has it" if not reading.state.is_on else "on, for a redrive")


def _losing(reading: MappingReading) -> list[str]:
    return [
        *([] if REPORTS in reading.response_types else ["Lambda deletes each batch as a whole"]),
        *([f"Lambda deletes what {reading.filters} filters leave out"] if reading.filters else []),
    ]


def _drifted(reading: MappingReading) -> list[str]:
    """A run has a concurrency of its own while it is on."""
    concurrency, batch = reading.max_concurrency, reading.batch_size
    is_its_own = reading.state.is_on or concurrency == AS_DEPLOYED
    return [
        *([] if is_its_own else [f"its MaximumConcurrency is {concurrency} instead of {AS_DEPLOYED}"]),
        *([] if batch == BATCH_SIZE else [f"its BatchSize is {batch} instead of {BATCH_SIZE}"]),
    ]


def _redriver_is_off(deployment: Deployment) -> Answer:
    mapping = EventSourceMapping.connect(deployment.stack.redriver_mapping_id, access=shared(deployment))
    reading = mapping.read()
    if not reading.state.is_on:
        return holds(f"{reading.state.value.lower()}; no redrive is on")
    run = remote_run(mapping.tags())
    if run and not run.ended and reading.read_at < run.ends_at:
        return holds(f"run {run.run_id} is on, until {run.ends_at:%H:%M} UTC at most")
    return fails(
        f"the redriver's mapping is {reading.state.value.lower()}, though no redrive is on", may_change=True
    )


def _redriver_is_ready(deployment: Deployment) -> Answer:
    stack = deployment.stack
    answer = is_ready(deployment, stack.redriver_function_name)
    if not answer.is_true:
        return answer
    wanted = {
        "PROCESSOR_FUNCTION_NAME": stack.processor_function_name,
        "DEAD_LETTER_QUEUE_URL": stack.dead_letter_queue_url,
    }
    told = is_told(existing(deployment, stack.redriver_function_name), wanted)
    return answer if told.is_true else told


check = partial(Check, category=Category.DEAD_LETTERS, needs=("B2B010",))

CHECKS = (
    check(
        code="B2B069",
        statement="the redriver takes dead letters only while a redrive is on",
        why="Without a run it receives and returns dead letters all day long, which hides them from every command.",
        fix=OFF,
        probe=_redriver_is_off,
        severity=Severity.WARNING,
        actions=("lambda:GetEventSourceMapping", "lambda:ListTags"),
    ),
    check(
        code="B2B104",
        statement="the redriver is there and ready, with this stack's queue and processor",
        why="`dlq redrive --engine lambda` needs it; every other redrive does not.",
        probe=_redriver_is_ready,
        severity=Severity.WARNING,
        actions=READ_FUNCTION,
    ),
    check(
        code="B2B175",
        statement="the redriver's mapping is as the template has it",
        why="With a filter, or without reports of what failed, Lambda deletes dead letters that nobody processed.",
        fix=FIX,
        probe=_is_as_deployed,
        actions=("lambda:GetEventSourceMapping",),
    ),
)
