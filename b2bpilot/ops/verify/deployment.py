"""What the probes look at: a deployment, each part of it asked for once and only when somebody wants it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from b2bpilot.advice import LOCAL
from b2bpilot.aws import stack
from b2bpilot.aws.secrets import read_secret
from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.aws.stack import StackOutputs
from b2bpilot.errors import AwsError
from b2bpilot.ops.asking import InquiryAnswer
from b2bpilot.ops.environment import Environment, database_url_in
from b2bpilot.ops.pair import no_pair, other_side
from b2bpilot.ops.verify.once import Once

if TYPE_CHECKING:
    from b2bpilot.ops.table.asked import AskedTable
    from b2bpilot.ops.table.database_proof import DatabaseProof
    from b2bpilot.pipeline.database import DatabaseManager

PROBE_TIMEOUTS = Timeouts(connect_seconds=3, read_seconds=6, attempts=2)
"""Tight, so that a source that hangs is told from a slow one within a check's time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the operator decided. `end_to_end` False sends nothing, and `because` says why; a row is kept with `keep`."""

    end_to_end: bool = True
    because: str = "left out"
    keep: bool = False
    with_twilio: bool = False
    row_seconds: float = 15.0
    """How long a test message's row is waited for."""
    subscribers: tuple[str, ...] = ()
    """Whom the checks of subscribers are about; nobody named: all but the processor, and what is wrong there is a warning."""


@dataclass(slots=True, kw_only=True)
class Deployment:
    """One look at one environment. A second look, to see whether something has become true, is `again`.

    `now` is this machine's time until AWS has told its own. `given_database_url` is an operator's own; else the secret's is
    used. Everything raises AwsError and its kin.
    """

    name: str
    access: AwsAccess
    now: datetime
    given_database_url: str | None = field(default=None, repr=False)
    given_database_from: str = "--database-url"
    twilio_api_url: str | None = None
    home: Path | None = None
    """Where this machine keeps its journals and archives."""
    choices: Choices = field(default_factory=Choices)
    tell: Callable[[str], None] = lambda _: None
    """Takes what an operator has to know at once. Called from other threads."""
    once: Once = field(default_factory=Once, repr=False)
    clients: Once = field(default_factory=Once, repr=False)
    other: InquiryAnswer[Deployment] | None = field(default=None, repr=False)
    """The other side of a pair, or why it does not answer, where both are asked."""
    test_messages: dict[str, Callable[[], bool]] = field(default_factory=dict, repr=False)
    """Those that were sent, in this look and those before: what removes each, and tells whether no row can come back."""

    @property
    def is_local(self) -> bool:
        """Whether the environment says by itself where it is."""
        return self.name == LOCAL

    @property
    def stack(self) -> StackOutputs:
        return self.once.ask("stack", self._described)

    def _described(self) -> StackOutputs:
        """The answer tells AWS's time, which everything is counted by from here on: nothing is dated before it."""
        found = stack.describe(self.name, self.access)
        self.now -= self.access.clock.machine_ahead()
        return found

    def clock(self) -> datetime:
        """Return AWS's time."""
        return self.access.clock.now()

    @property
    def environment(self) -> Environment:
        return Environment(name=self.name, access=self.access, stack=self.stack)

    @property
    def twilio_secret(self) -> Mapping[str, str]:
        """The fields of the secret with Twilio's credentials."""
        return self.secret(self.stack.twilio_secret)

    @property
    def database_secret(self) -> Mapping[str, str]:
        """The fields of the secret with the way to the database."""
        return self.secret(self.stack.database_secret)

    def secret(self, arn: str) -> Mapping[str, str]:
        return self.once.ask(("secret", arn), lambda: read_secret(arn, self.client("secretsmanager")))

    @property
    def database_url(self) -> str:
        """Raises SettingsInvalid when nothing names it."""
        return self.given_database_url or self.secret_s_database_url()

    def table(self) -> AskedTable:
        """Return the table of that database, which knows whether it is the processor's. Each probe opens its own."""
        from b2bpilot.ops.table.asked import AskedTable
        from b2bpilot.pipeline.database import DatabaseManager

        return AskedTable(
            lambda: DatabaseManager(self.database_url, application_name="b2bpilot/verify"), self._proof
        )

    def _proof(self, database: DatabaseManager) -> DatabaseProof:
        from b2bpilot.ops.table.database_proof import OF_THE_STACK, Given
        from b2bpilot.ops.table.processor_log import prove_for

        is_secret_s = not self.given_database_url
        origin = OF_THE_STACK if is_secret_s else self.given_database_from
        given = Given(url=self.database_url, origin=origin, is_secret_s=is_secret_s)
        return self.once.ask(
            "database proof",
            lambda: prove_for(
                self.environment, database, given, secret=self.secret_s_database_url, now=self.now
            ),
        )

    def secret_s_database_url(self) -> str:
        """Raises SettingsInvalid where the secret does not tell."""
        return database_url_in(self.database_secret, self.stack)

    def client(self, service: str) -> Any:
        """Return botocore's client with the waits of a probe; the caller's annotation gives its type."""
        return self.clients.ask(service, lambda: self.access.client(service, PROBE_TIMEOUTS))

    def ask(self, key: object, source: Callable[[], Any]) -> Any:
        """Ask a source that several probes share; the caller's annotation gives its type."""
        return self.once.ask(key, source)

    def again(self) -> Deployment:
        """Return the same environment, not looked at yet."""
        other = (
            InquiryAnswer(value=self.other.value.again()) if self.other and self.other.value else self.other
        )
        return replace(self, now=self.access.clock.machine(), once=Once(), other=other)

    def find_other(self) -> None:
        """Look for the other side of the pair. Raises UsageError where the stack names none; a side that does not answer is
        what the checks tell of."""
        try:
            answer = other_side(self.environment)
        except AwsError as exc:
            answer = InquiryAnswer(error=f"this side does not answer: {exc}")
        if answer is None:
            raise no_pair(self.environment)
        self.other = InquiryAnswer(value=answer.map(self._of_side), error=answer.error, hint=answer.hint)

    def _of_side(self, environment: Environment) -> Deployment:
        one = replace(self, access=environment.access, once=Once(), clients=Once(), test_messages={})
        one.ask("stack", lambda: environment.stack)
        return one
