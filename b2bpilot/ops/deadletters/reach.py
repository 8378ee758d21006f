"""Whether what a redrive publishes on the topic would reach the processor: SNS takes it all the same, and forgets it."""

from __future__ import annotations

from collections.abc import Sequence

from b2bpilot.aws.subscriptions import Subscription, subscriptions
from b2bpilot.errors import AwsDenied, Refused
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.subscriptions.trial import tried
from b2bpilot.ops.subscriptions.verdict import is_processor_s
from b2bpilot.pipeline.deadletter import DeadLetter, encoded_for_topic

HINT = "see `b2bpilot subscriptions`, or redrive with --via invoke"


def require_reach(environment: Environment, letters: Sequence[DeadLetter], *, is_proved: bool) -> None:
    """Raises Refused when the processor is not subscribed, or its filter policy rejects letters; and AwsError.

    Where the subscriptions may not be read, a run that is proved by the rows (`is_proved`) finds out with its first letter.
    """
    try:
        found = subscriptions(environment.access, environment.stack.topic_arn)
    except AwsDenied:
        if is_proved:
            return
        raise
    ours = [one for one in found if is_processor_s(one, environment.stack)]
    if not any(one.confirmed is not False for one in ours):
        raise Refused(
            f"the processor is not subscribed to {environment.stack.topic_arn}: what is published there is lost",
            hint=HINT,
        )
    if rejected := [letter for letter in letters if not _may_reach(ours, letter)]:
        raise Refused(
            f"the filter policy of the processor's subscription rejects {len(rejected):,} of {len(letters):,} letters, "
            f"such as {rejected[0].queue_message_id}: published, they would be lost",
            hint=HINT,
        )


def _may_reach(ours: Sequence[Subscription], letter: DeadLetter) -> bool:
    trials = tried(ours, encoded_for_topic(letter, run_id="trial"))
    return any(trial.delivers is not False for trial in trials)
