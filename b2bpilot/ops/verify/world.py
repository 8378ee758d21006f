"""What the probes look at: a deployment, each part of it asked for once and only when somebody wants it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from b2bpilot.aws import stack
from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.aws.stack import StackOutputs
from b2bpilot.ops import environment
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.verify.once import Once

PROBE_TIMEOUTS = Timeouts(connect_seconds=3, read_seconds=6, attempts=2)
"""Tight, so that a source that hangs is told from a slow one within a check's time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the operator decided: whether to send a test message, keep its row, and ask Twilio."""

    end_to_end: bool = True
    keep: bool = False
    with_twilio: bool = False


@dataclass(slots=True, kw_only=True)
class World:
    """One look at one environment. A second look, to see whether something has become true, needs a new one.

    `given_database_url` is an operator's own; else the secret's is used. Everything raises AwsError and its kin.
    """

    name: str
    access: AwsAccess
    now: datetime
    given_database_url: str | None = None
    choices: Choices = field(default_factory=Choices)
    once: Once = field(default_factory=Once, repr=False)

    @property
    def stack(self) -> StackOutputs:
        return self.once.ask("stack", lambda: stack.describe(self.name, self.access))

    @property
    def environment(self) -> Environment:
        return Environment(name=self.name, access=self.access, stack=self.stack)

    @property
    def database_url(self) -> str:
        return self.once.ask("database url", self._database_url)

    def client(self, service: str) -> Any:
        """Return botocore's client with the waits of a probe; the caller's annotation gives its type."""
        return self.once.ask(("client", service), lambda: self.access.client(service, PROBE_TIMEOUTS))

    def ask(self, key: object, source: Callable[[], Any]) -> Any:
        """Ask a source that several probes share; the caller's annotation gives its type."""
        return self.once.ask(key, source)

    def again(self, *, now: datetime) -> World:
        """Return the same environment, not looked at yet."""
        return World(
            name=self.name,
            access=self.access,
            now=now,
            given_database_url=self.given_database_url,
            choices=self.choices,
        )

    def _database_url(self) -> str:
        return self.given_database_url or environment.database_url(self.environment)
