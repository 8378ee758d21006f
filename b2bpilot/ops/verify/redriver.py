"""The check of the redriver's mapping against the template: what loses dead letters, and what is merely a drift."""

from __future__ import annotations

from b2bpilot.aws.mappings import AS_DEPLOYED, BATCH_SIZE, REPORTS, EventSourceMapping, MappingReading
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.shared import shared

MEND = (
    "aws lambda update-event-source-mapping --uuid {redriver_mapping_id} "
    f"--batch-size {BATCH_SIZE} --scaling-config MaximumConcurrency={AS_DEPLOYED} "
    f"--function-response-types {REPORTS} --filter-criteria '{{{{}}}}'"
)


def _is_as_deployed(deployment: Deployment) -> Answer:
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


CHECKS = (
    Check(
        code="B2B175",
        category=Category.DEAD_LETTERS,
        statement="the redriver's mapping is as the template has it",
        why="With a filter, or without reports of what failed, Lambda deletes dead letters that nobody processed.",
        fix=MEND,
        probe=_is_as_deployed,
        actions=("lambda:GetEventSourceMapping",),
        needs=("B2B010",),
    ),
)
