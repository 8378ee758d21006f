"""The redriver: takes dead letters from the queue while a run is on, and ends the run (decision 6)."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from os import environ
from typing import Any, Protocol

from b2bpilot.aws.functions import Function
from b2bpilot.aws.mappings import EventSourceMapping
from b2bpilot.aws.queue import DeadLetterQueue
from b2bpilot.pipeline.remote_run import KNOWS_OWNERS
from b2bpilot.pipeline.settings import required
from lambdas.dead_letter_redriver.dead_letters import dead_letters_of
from lambdas.dead_letter_redriver.redriver import ContainerRedriver
from lambdas.dead_letter_redriver.subscribers import KnownSubscribers
from lambdas.dead_letter_redriver.switch import Switch


class Context(Protocol):
    """The part of Lambda's context that is used here."""

    @property
    def function_name(self) -> str: ...
    def get_remaining_time_in_millis(self) -> int: ...


@functools.cache
def _redriver(function_name: str) -> ContainerRedriver:
    """Without Settings.from_env: this function may not read the secret."""
    processor = required(environ.get("PROCESSOR_FUNCTION_NAME"), "PROCESSOR_FUNCTION_NAME")
    queue_url = required(environ.get("DEAD_LETTER_QUEUE_URL"), "DEAD_LETTER_QUEUE_URL")
    mapping = EventSourceMapping.of_function(function_name)
    return ContainerRedriver(
        queue=DeadLetterQueue.connect(queue_url),
        processor=Function.connect(processor),
        switch=Switch(mapping),
        now=mapping.clock.now,
        own=KnownSubscribers.of_environment(environ),
    )


def handler(event: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Redrive a batch of the mapping, or stand guard when the schedule calls, which sends no Records.

    A dead letter that is not named in the answer is deleted; an answer without names, or none, deletes all (Lambda's rule).
    """
    redriver = _redriver(context.function_name)
    if isinstance(event, Mapping) and "Records" not in event:
        redriver.guard()
        return {"batchItemFailures": [], KNOWS_OWNERS: True}
    stay = redriver.redrive(
        dead_letters_of(event),
        seconds_left=lambda: context.get_remaining_time_in_millis() / 1000,
    )
    return {"batchItemFailures": [{"itemIdentifier": dead_letter.queue_message_id} for dead_letter in stay]}
