"""Everything that is asked about a message of an environment."""

from __future__ import annotations

from pathlib import Path

from b2bpilot.aws.logs import LogGroup
from b2bpilot.aws.session import Timeouts
from b2bpilot.ops.deadletters.survey import queue_of
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.inspect.filters import Subscriptions
from b2bpilot.ops.inspect.function_log import FunctionLog
from b2bpilot.ops.inspect.journals import Journals
from b2bpilot.ops.inspect.letters import DeadLetters
from b2bpilot.ops.inspect.source import Source, Unasked
from b2bpilot.ops.inspect.surroundings import Sources
from b2bpilot.ops.logs.reading import function_names

TIMEOUTS = Timeouts(connect_seconds=3, read_seconds=10, attempts=3)
PAUSES = (0.5, 1.0)
PROCESSOR = "processor"
TWILIO = Unasked(name="Twilio", reason="this version does not ask it; its console knows the MessageSid")


def sources_of(environment: Environment, *, home: Path, twilio: Source = TWILIO) -> Sources:
    """Return the environment's sources. Raises AwsError where a client cannot be made."""
    client = environment.access.client("logs", TIMEOUTS)
    logs = {
        name: FunctionLog(function=name, group=LogGroup(client, f"/aws/lambda/{full}", pauses=PAUSES))
        for name, full in function_names(environment).items()
    }
    journals = Journals(home=home, environment=environment.name, account_id=environment.stack.account_id)
    others = [log for name, log in logs.items() if name != PROCESSOR]
    return Sources(
        processor=logs[PROCESSOR],
        queue=DeadLetters(queue=queue_of(environment)),
        others=(*others, journals, twilio),
        subscriptions=lambda line: Subscriptions(environment=environment, published=line),
    )


def unasked(reason: str) -> Sources:
    """Return what stands for an environment that cannot be asked."""
    logs, runs = Unasked(name="logs", reason=reason), Unasked(name="runs of this machine", reason=reason)
    return Sources(queue=Unasked(name="dead-letter queue", reason=reason), others=(logs, runs, TWILIO))
