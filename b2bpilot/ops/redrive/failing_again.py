"""Whether what a function gives up of its asynchronous events comes back: else a redrive that deletes on AWS's word loses it."""

from __future__ import annotations

from b2bpilot.aws.function_settings import event_invoke, function_settings
from b2bpilot.errors import Refused
from b2bpilot.ops.environment import Environment
from b2bpilot.pipeline.arn import name_of


def require_return(environment: Environment) -> None:
    """Raises Refused where Lambda would drop it, or send it elsewhere than to the dead-letter queue; and AwsError.

    The alias or version that is run is asked, for each has its own settings.
    """
    recipient = environment.recipient
    name = environment.function().name
    client = environment.access.client("lambda")
    settings = function_settings(client, name)
    if settings is None:
        raise Refused(f"function {recipient.function_in_words} does not exist", outcome="Nothing was sent")
    queue = recipient.dead_letter_queue_arn
    if settings.dead_letter_arn == queue:
        return
    on_failure = event_invoke(client, name).on_failure
    if on_failure == queue:
        return
    places = " and ".join(name_of(arn) for arn in (settings.dead_letter_arn, on_failure) if arn)
    raise Refused(
        f"function {recipient.function_in_words} sends what it fails on to {places or 'no queue'}, not to {name_of(queue)}: what "
        f"fails again would {'not come back' if places else 'be lost'}",
        hint=f"redrive with --via invoke, or name {name_of(queue)} in the function's dead-letter configuration",
        outcome="Nothing was sent",
    )
