"""Whether what a redrive publishes on the topic would reach the processor: SNS takes it all the same, and forgets it."""

from __future__ import annotations

from collections.abc import Sequence

from b2bpilot.advice import our_command
from b2bpilot.aws.subscriptions import Subscription, subscriptions
from b2bpilot.errors import AwsDenied, AwsError, Refused
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.subscribers.conditions import either
from b2bpilot.ops.subscribers.evaluation import evaluate_all
from b2bpilot.ops.subscribers.filter_policy import BODY_SCOPE
from b2bpilot.ops.subscribers.health import processors
from b2bpilot.pipeline.dead_letter import DeadLetter, encoded_for_topic
from b2bpilot.pipeline.message import Encoded

HINT = "see " + our_command("subscribers") + ", or redrive with --via invoke"


class SubscriptionGuard:
    """The way from the topic to the processor: `look` at it while the dead letters are taken, `require` it of them."""

    def __init__(self, environment: Environment, *, is_proved: bool) -> None:
        """A run that is proved by the rows finds out with its first dead letter what the subscriptions may not tell."""
        self._environment = environment
        self._is_proved = is_proved
        self._found: list[Subscription] | AwsError = []

    def look(self) -> None:
        """Ask for the subscriptions. A failure is raised by `require`: nothing needs them before."""
        try:
            self._found = subscriptions(self._environment.access, self._environment.stack.topic_arn)
        except AwsError as exc:
            self._found = exc

    def require(self, dead_letters: Sequence[DeadLetter]) -> None:
        """Raises Refused when the processor is not subscribed, or its filter policy rejects dead letters; and AwsError."""
        if isinstance(self._found, AwsDenied) and self._is_proved:
            return
        if isinstance(self._found, AwsError):
            raise self._found
        stack = self._environment.stack
        ours = processors(self._found, stack)
        if not any(one.confirmed is not False for one in ours):
            raise Refused(
                f"the processor is not subscribed to {stack.topic_arn}: what is published there is lost",
                hint=HINT,
            )
        answers = _answers(ours, dead_letters)
        if rejected := [dead_letter for dead_letter, passes in answers if passes is False]:
            raise Refused(
                f"the filter policy of the processor's subscription rejects {len(rejected):,} of {len(dead_letters):,}, "
                f"such as {rejected[0].queue_message_id}: published, they would be lost",
                hint=HINT,
            )
        unclear = [dead_letter for dead_letter, passes in answers if passes is None]
        if unclear and not self._is_proved:
            raise Refused(
                f"whether the filter policy of the processor's subscription lets {len(unclear):,} of {len(dead_letters):,} "
                f"through cannot be told, such as {unclear[0].queue_message_id}: published, they may be lost",
                hint=HINT,
            )


def _answers(
    ours: Sequence[Subscription], dead_letters: Sequence[DeadLetter]
) -> list[tuple[DeadLetter, bool | None]]:
    """Return whether each passes. Dead letters whose attributes differ in nothing that a policy looks at have one answer."""
    answers: dict[object, bool | None] = {}
    found = []
    for dead_letter in dead_letters:
        published = encoded_for_topic(dead_letter, run_id="trial")
        key = _looked_at(ours, published)
        if key not in answers:
            answers[key] = either([one.delivers for one in evaluate_all(ours, published)])
        found.append((dead_letter, answers[key]))
    return found


def _looked_at(ours: Sequence[Subscription], published: Encoded) -> object:
    """Return the attributes that a policy may look at; of one that filters on the body, all of the message."""
    policies = "".join(one.filter_policy or "" for one in ours)
    if any(one.filter_policy_scope == BODY_SCOPE for one in ours):
        return published.body
    return tuple((name, *value.items()) for name, value in published.attributes.items() if name in policies)
