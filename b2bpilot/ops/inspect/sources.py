"""Everything that is asked about a message of an environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from b2bpilot.aws.logs import LogGroup
from b2bpilot.aws.queue import DeadLetterQueue
from b2bpilot.aws.session import Timeouts
from b2bpilot.errors import PilotError
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.inspect.attempts import EXPRESS, PROCESSOR, PROCESSORS
from b2bpilot.ops.inspect.context import Sources
from b2bpilot.ops.inspect.dead_letters import DeadLetterSource
from b2bpilot.ops.inspect.function_log import FunctionLog
from b2bpilot.ops.inspect.journals import Journals
from b2bpilot.ops.inspect.source import InspectSource, Late, MessageQuestion, SourceAnswer, Unasked
from b2bpilot.ops.inspect.subscribers import traces
from b2bpilot.ops.logs.reading import function_names
from b2bpilot.ops.retries import retries_of

TIMEOUTS = Timeouts(connect_seconds=3, read_seconds=10, attempts=3)
PAUSES = (0.5, 1.0)
QUEUE = "dead-letter queue"


@dataclass(frozen=True, slots=True, kw_only=True)
class LambdaSettings:
    """How often Lambda runs a failed message again. Satisfies InspectSource."""

    environment: Environment
    name: str = "Lambda's settings"

    def ask(self, question: MessageQuestion) -> SourceAnswer:  # noqa: ARG002  # the protocol's
        found = retries_of(self.environment)
        if found.problem:
            raise PilotError(found.problem)
        return SourceAnswer(retries=found)


def sources_of(environment: Environment, *, home: Path, twilio: InspectSource) -> Sources:
    """Return the environment's sources. Raises AwsError where a client cannot be made."""
    client = environment.access.client("logs", TIMEOUTS)
    logs = {
        name: FunctionLog(function=name, group=LogGroup(client, f"/aws/lambda/{full}", pauses=PAUSES))
        for name, full in function_names(environment).items()
    }
    journals = Journals(home=home, environment=environment.name, account_id=environment.stack.account_id)
    others = [log for name, log in logs.items() if name not in PROCESSORS]
    return Sources(
        processor=logs[PROCESSOR],
        express=logs.get(EXPRESS),
        queue=Late(name=QUEUE, make=lambda: _dead_letters(environment)),
        others=(*others, journals),
        twilio=twilio,
        subscriptions=lambda line: _subscriptions(environment, line),
        retries=LambdaSettings(environment=environment),
        subscribers=lambda question: traces(environment, question),
    )


def unasked(reason: str) -> Sources:
    """Return what stands for an environment that cannot be asked."""
    queue, logs, runs, twilio = (
        Unasked(name=name, reason=reason) for name in (QUEUE, "logs", "runs of this machine", "Twilio")
    )
    return Sources(queue=queue, others=(logs, runs), twilio=twilio)


def _dead_letters(environment: Environment) -> DeadLetterSource:
    client = environment.access.client("sqs", TIMEOUTS)
    environment.subscribers.begin()
    queue = DeadLetterQueue(
        client, environment.stack.dead_letter_queue_url, judge=environment.subscribers.judge
    )
    return DeadLetterSource(queue=queue, name=QUEUE)


def _subscriptions(environment: Environment, published: Mapping[str, object]) -> InspectSource:
    from b2bpilot.ops.inspect.filters import Subscriptions

    return Subscriptions(environment=environment, published=published)
