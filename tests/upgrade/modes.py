"""The change from one mode of delivery to another under traffic, there and back, and the processor killed in each mode."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import psycopg

from b2bpilot.local.environment import LocalEnvironment, running
from b2bpilot.local.release import Release
from b2bpilot.pipeline.waiting import wait_until
from tests.upgrade.books import balance
from tests.upgrade.functions import Functions
from tests.upgrade.messages import Drawing, Kind, Message
from tests.upgrade.run import REPLY, Options, Summary
from tests.upgrade.table import Table, events_of_lambda, look
from tests.upgrade.traffic import Traffic
from tests.upgrade.upgrade import pause
from tests.upgrade.version import THIS, migrate

TOPIC, BOTH, QUEUE = "topic", "topic-and-queue", "queue"
STEPS = (TOPIC, BOTH, QUEUE, BOTH, TOPIC)
"""As `delivery --to` goes."""
DIRECT = (TOPIC, QUEUE, TOPIC)
"""As somebody goes who deploys the other mode at once: what it leaves in the queue is there to be taken."""
WAYS = {"steps": STEPS, "direct": DIRECT}
TIME_SCALE = 120
"""So 15 s stand for the queue's 30 minutes, after which a batch comes again whose run was killed."""
SETTLE_SECONDS = 120
POLL_SECONDS = 0.1
PROCESSOR = "background_processor"


def run(
    options: Options,
    way: str,
    *,
    is_killed: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Summary:
    """Go through the modes, drain what they left in the queue, and count."""
    modes = WAYS[way]
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="b2bpilot-modes-")))
        functions = Functions(folder, first=THIS)
        cleanup.callback(functions.close)
        release = Release(
            template=THIS.template,
            migrate=partial(migrate, THIS, home=folder),
            load=functions.load,
        )
        environment = cleanup.enter_context(
            running(
                folder / "home", reply_text=REPLY, release=release, time_scale=TIME_SCALE, progress=progress
            )
        )
        connection = cleanup.enter_context(psycopg.connect(environment.state.database_url, autocommit=True))
        is_idle = cleanup.enter_context(events_of_lambda(folder / "home"))
        table = Table(connection, Drawing(Random(f"{options.seed} left")))
        seconds = options.seconds / len(modes)
        traffic = Traffic(
            environment.state.webhook_url,
            environment.state.twilio_auth_token,
            rate=options.rate,
            drawing=Drawing(Random(f"{options.seed} traffic")),
            phase_seconds=seconds,
        )
        change = ModeChange(environment, functions, traffic, table, is_idle, progress)
        change.run(modes, seconds=seconds, is_killed=is_killed)
        return Summary(
            options=options,
            old=THIS.name,
            new=THIS.name,
            migrations=(),
            # A kill in the middle of a reply leaves it unclear, and then nobody sends it again.
            books=balance(traffic.messages, look(environment, table), replies_expected=not is_killed),
            incidents=tuple(change.incidents),
            runs=dict(functions.runs),
            way=f"--modes {way} {'--kill ' if is_killed else ''}",
            title=f"Delivery as {', '.join(modes)}{', the processor killed in each' if is_killed else ''}",
        )


@dataclass(slots=True)
class ModeChange:
    environment: LocalEnvironment
    functions: Functions
    traffic: Traffic
    table: Table
    is_idle: Callable[[], bool]
    progress: Callable[[str], None]
    incidents: list[str] = field(default_factory=list)

    def run(self, modes: Sequence[str], *, seconds: float, is_killed: bool) -> None:
        self.traffic.phase = f"1 {modes[0]}"
        self.traffic.start()
        try:
            for place, mode in enumerate(modes, start=1):
                self._deploy(mode, f"{place} {mode}")
                pause(seconds / 2)
                if is_killed:
                    self._kill(mode)
                pause(seconds / 2)
        finally:
            self.traffic.stop()
        self.progress(f"{self._depth()} messages left in the queue")
        self._deploy(BOTH, "draining")
        self._wait()
        self._deploy(TOPIC, "the end")

    def _deploy(self, mode: str, phase: str) -> None:
        self.progress(phase)
        self.traffic.phase = phase
        (region,), parameters = self.environment.regions, self.environment.parameters
        region.deploy(THIS.template, {**parameters, "Delivery": mode, "StaleAfterMinutes": "60"})

    def _kill(self, mode: str) -> None:
        """kill -9 of the process that all containers of the processor are in, when one of them runs."""
        killed = wait_until(
            lambda: self.functions.kill(PROCESSOR),
            enough=bool,
            seconds=SETTLE_SECONDS,
            pause_seconds=POLL_SECONDS / 100,
        )
        self.progress(f"killed the processor, {killed} of its containers at work")
        if not killed:
            self.incidents.append(f"the processor was not at work in mode {mode}: nothing was killed")

    def _wait(self) -> None:
        """Until everything that was accepted is completed, poison is a dead letter, and nothing is under way."""
        open_ = wait_until(
            self._open, enough=lambda found: not found, seconds=SETTLE_SECONDS, pause_seconds=POLL_SECONDS
        )
        if open_:
            self.incidents.append(f"not settled after {SETTLE_SECONDS} s: {', '.join(map(str, open_[:3]))}")

    def _open(self) -> list[object]:
        completed, failed = self.table.settled()
        return [
            *(each.sid for each in self.traffic.messages if _is_open(each, completed, failed)),
            *(["messages of the queue"] if self._depth() else []),
            *([] if self.is_idle() else ["events of Lambda"]),
        ]

    def _depth(self) -> int:
        found = self._queue("get_queue_attributes", AttributeNames=["All"])["Attributes"]
        return sum(int(value) for name, value in found.items() if name.startswith("ApproximateNumber"))

    def _queue(self, call: str, **arguments: Any) -> Any:
        url = self.environment.stack.outputs["MessageQueueUrl"]
        return getattr(self.environment.aws.sqs, call)(QueueUrl=url, **arguments)


def _is_open(message: Message, completed: set[str | None], failed: set[str | None]) -> bool:
    return message.is_accepted and message.sid not in (failed if message.kind is Kind.POISON else completed)
