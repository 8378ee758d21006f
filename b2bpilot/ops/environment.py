"""An environment: the stack that a name stands for, and what it leads to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from b2bpilot.aws import stack
from b2bpilot.aws.functions import Function
from b2bpilot.aws.queue import DeadLetterQueue
from b2bpilot.aws.secrets import read_secret
from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.aws.topic import Topic
from b2bpilot.errors import Refused
from b2bpilot.ops.owner import LiveSubscribers
from b2bpilot.ops.recipient import Recipient
from b2bpilot.pipeline import database_secret

SEND_ONCE = Timeouts(attempts=1)
"""For a queue that dead letters are put into: a call that boto3 repeats without an answer would double them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A deployed stack and how to reach its account. `access` names the region the stack was found in."""

    name: str
    access: AwsAccess
    stack: stack.StackOutputs
    other: Recipient | None = field(default=None, repr=False)
    """The subscriber that `of` named in the processor's place."""
    subscribers: LiveSubscribers = field(init=False, repr=False, compare=False)
    """Who is subscribed to the topic: asked once, when the first command needs it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "subscribers", LiveSubscribers(self.access, self.recipient))

    @property
    def recipient(self) -> Recipient:
        """Whose dead letters, queue and function the commands are about."""
        return self.other or Recipient.of_stack(self.stack)

    @property
    def subscriber(self) -> str | None:
        """The name of the subscriber that it is for, where that is not the processor."""
        return self.other.name if self.other else None

    def of(self, recipient: Recipient) -> Environment:
        """Return the same environment for another of its subscribers: its queue, its function, its dead letters."""
        one = replace(self, other=recipient)
        object.__setattr__(one, "subscribers", self.subscribers.of(recipient))
        return one

    def queue(self, timeouts: Timeouts | None = None) -> DeadLetterQueue:
        """The dead-letter queue, which tells of each dead letter whose it is."""
        self.subscribers.begin()
        return DeadLetterQueue.connect(
            self.recipient.dead_letter_queue_url,
            access=self.access,
            timeouts=timeouts,
            judge=self.subscribers.judge,
        )

    def processor(self) -> Function:
        return Function.connect(self.stack.processor_function_name, access=self.access)

    def function(self) -> Function:
        """The function that the dead letters were for. Raises Refused where none is known."""
        if self.recipient.function is None:
            raise Refused(f"nothing can be run for {self.recipient.asker}: {self.recipient.no_function}")
        return Function.connect(self.recipient.function, access=self.access)

    def topic(self, timeouts: Timeouts | None = None) -> Topic:
        return Topic.connect(self.stack.topic_arn, access=self.access, timeouts=timeouts)

    def __str__(self) -> str:
        subscriber = f", subscriber {self.subscriber}" if self.subscriber else ""
        return f"environment {self.name}{subscriber} (account {self.stack.account_id}, {self.stack.region})"


def discover(name: str, access: AwsAccess) -> Environment:
    """Return the environment. Raises EnvironmentUnknown, or AwsError."""
    return Environment(name=name, access=access, stack=stack.describe(name, access))


def database_url(environment: Environment) -> str:
    """Return the database that the environment's functions use. Raises SettingsInvalid, or AwsError."""
    client = environment.access.client("secretsmanager", stack.TIMEOUTS)
    return database_url_in(read_secret(environment.stack.database_secret, client), environment.stack)


def database_url_in(secret: Mapping[str, str], outputs: stack.StackOutputs) -> str:
    """Return the connection string that the fields of the database's secret give, with the CA that is among them. Raises
    SettingsInvalid."""
    from b2bpilot.pipeline.authorities import FIELD, with_own_ca

    url = database_secret.database_url(secret, outputs.database_secret, elsewhere(outputs))
    return with_own_ca(url, secret.get(FIELD))


def elsewhere(outputs: stack.StackOutputs) -> database_secret.Elsewhere:
    return database_secret.Elsewhere(
        host=outputs.database_host, port=outputs.database_port, name=outputs.database_name
    )


def is_production(name: str) -> bool:
    """Tell from its name whether an environment is production: what cannot be undone there asks for more."""
    return name.lower().startswith("prod")
