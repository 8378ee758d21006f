"""An upgrade and the way back under traffic: old and new templates, code and table in every order that a deploy may meet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from subprocess import CalledProcessError
from typing import Any

from b2bpilot.local.environment import LocalEnvironment
from b2bpilot.local.runtime.configuration import REFRESH_SECONDS
from tests.upgrade.functions import Functions
from tests.upgrade.messages import Kind, Message
from tests.upgrade.permissions import Permissions
from tests.upgrade.table import Table
from tests.upgrade.traffic import Traffic
from tests.upgrade.version import Version, migrate

SETTLE_SECONDS = 60
IDLE_SECONDS = 10
STALE_EVERY_SECONDS = 2.0
POLL_SECONDS = 0.1
LEFT_ROWS = 2
ADMITTED = 1_000
PHASES = 9
RAN_BY_BOTH = ("webhook_handler", "background_processor", "stale_message_processor")

Progress = Callable[[str], None]


@dataclass(slots=True, kw_only=True)
class Upgrade:
    """One run. `incidents` are faults that no book shows: a command that failed, a phase that did not settle."""

    environment: LocalEnvironment
    old: Version
    new: Version
    functions: Functions
    traffic: Traffic
    table: Table
    phase_seconds: float
    home: Path
    random: Random
    is_idle: Callable[[], bool]
    progress: Progress
    permissions: Permissions
    left: list[Message] = field(default_factory=list)
    incidents: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Go through all phases, and return when everything that was sent is settled, or never will be."""
        self._begin("the old release")
        self._admit_many()
        self.traffic.start()
        try:
            self._steady()
            self._deploy(self.new, "updating")
            self._begin("new code before its migration")
            self._steady()
            self._migrate()
            self._begin("new code after its migration")
            self._steady()
            self._deploy(self.old, "going back")
            self._begin("the old release, migrated table")
            self._steady()
            self._deploy(self.new, "updating again")
            self._begin("new code again")
            self._steady()
        finally:
            self.traffic.stop()
        self.progress("waiting until everything is settled")
        self._wait(lambda: self.messages, "at the end")
        self._ran_by_both()

    @property
    def messages(self) -> list[Message]:
        return [*self.traffic.messages, *self.left]

    def _sent_in(self, phase: str) -> list[Message]:
        return [message for message in self.traffic.messages if message.phase == phase]

    def _begin(self, phase: str) -> None:
        self.progress(phase)
        self.traffic.phase = phase

    def _steady(self) -> None:
        """A phase in which nothing is changed. Rows that a dead run left lie there at its beginning. What it was sent must
        be settled before the next one, which could fix what this one broke; while it waits nothing new is sent, so that a slow
        machine is not sent more than a fast one."""
        phase = self.traffic.phase
        for _ in range(LEFT_ROWS):
            self.left.append(self.table.leave(phase))
        pause(self.phase_seconds)
        deadline = time.monotonic() + SETTLE_SECONDS
        while not self._sent_in(phase) and time.monotonic() < deadline:
            pause(POLL_SECONDS)
        self.traffic.held = True
        if not (sent := self._sent_in(phase)):
            self._incident(f"nothing was sent in phase `{phase}`: this run proves nothing of it")
        self._wait(lambda: [*sent, *self.left], f"in phase `{phase}`")
        self.traffic.held = False

    def _deploy(self, version: Version, phase: str) -> None:
        """Update the template and the code of each function at moments of their own, in an order that the seed drew."""
        self._begin(phase)
        steps: list[Callable[[], None]] = [lambda: self._update_template(version)]
        steps += [lambda name=name: self._upload(name, version) for name in self._function_names()]
        self.random.shuffle(steps)
        for step in steps:
            step()
            pause(self.phase_seconds / len(steps))
        for name in self._function_names():
            self._upload(name, version)

    def _update_template(self, version: Version) -> None:
        self.progress(f"  the template of {version.name}")
        known = self._function_names()
        self.permissions.remember(known)
        self.environment.deploy(version.template, **version.parameters)
        for name in set(self._function_names()) - set(known):
            self._upload(name, version)

    def _admit_many(self) -> None:
        """The first release's stale processor stands still for five minutes after a throttle, and containers that start all
        at once are enough for one."""
        self.environment.aws.functions.put_function_concurrency(
            FunctionName=self.environment.stack.outputs["ProcessorFunctionName"],
            ReservedConcurrentExecutions=ADMITTED,
        )
        pause(2 * REFRESH_SECONDS)  # so long the runtime may go by the reserve that it read before

    def _upload(self, name: str, version: Version) -> None:
        """Another version's template may have deleted the function meanwhile."""
        there = name in self._function_names()
        if there and self.functions.upload(self.environment.aws.functions, name, version):
            self.progress(f"  {name} has the code of {version.name}")

    def _function_names(self) -> list[str]:
        stack = self.environment.state.stack_name
        resources = self.environment.aws.cloudformation.describe_stack_resources(StackName=stack)
        found = resources["StackResources"]
        return sorted(
            one["PhysicalResourceId"] for one in found if one["ResourceType"] == "AWS::Lambda::Function"
        )

    def _migrate(self) -> None:
        self._begin("migrating")
        try:
            migrate(self.new, self.environment.state.database_url, self.home)
        except CalledProcessError as failed:
            self._incident(f"the migration failed: {failed.stderr.strip()}")

    def _wait(self, messages: Callable[[], Sequence[Message]], when: str) -> None:
        """Return when the messages are settled, or nothing moves any more; ask the stale processor now and then, as its
        schedule does."""
        began = idle_since = time.monotonic()
        ask_at = 0.0
        while open_ := self._open(messages()):
            now = time.monotonic()
            idle_since = idle_since if self.is_idle() else now
            if now - began > SETTLE_SECONDS or now - idle_since > IDLE_SECONDS:
                shown = ", ".join(message.sid for message in open_[:3])
                self._incident(
                    f"{len(open_)} messages were not settled {when}, after {now - began:.0f} s: {shown}"
                )
                return
            if now >= ask_at:
                self._ask_the_stale_processor(when)
                ask_at = now + STALE_EVERY_SECONDS
            pause(POLL_SECONDS)

    def _open(self, messages: Sequence[Message]) -> list[Message]:
        """What was accepted, and is neither completed nor poison that failed."""
        completed, failed = self.table.settled()
        return [
            message
            for message in messages
            if message.is_accepted
            and message.sid not in (failed if message.kind is Kind.POISON else completed)
        ]

    def _ask_the_stale_processor(self, when: str) -> None:
        name = self.environment.stack.outputs["StaleFunctionName"]
        answer: Any = self.environment.aws.functions.invoke(FunctionName=name, Payload=b"{}")
        report = answer["Payload"].read().decode()
        if "FunctionError" in answer:
            self._incident(f"the stale processor failed {when}: {report}")

    def _incident(self, text: str) -> None:
        self.progress(text)
        self.incidents.append(text)

    def _ran_by_both(self) -> None:
        for version in (self.old, self.new):
            for function in RAN_BY_BOTH:
                if not self.functions.runs[version.name, function]:
                    self._incident(
                        f"the {function} of {version.name} never ran: this run proves nothing of it"
                    )


def pause(seconds: float) -> None:
    threading.Event().wait(seconds)
