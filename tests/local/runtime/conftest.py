from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from b2bpilot.local.runtime.configuration import FunctionConfiguration, FunctionMissing
from b2bpilot.local.runtime.dead_letter import GivenUp
from b2bpilot.local.runtime.events import Event, EventQueue
from b2bpilot.local.runtime.metrics import Metrics
from b2bpilot.local.runtime.service import LambdaRuntime

TIME_SCALE = 1200.0

Handler = Callable[[Any, Any], Any]


@dataclass
class RecordedLogs:
    lines: list[str] = field(default_factory=list)

    def put(self, group: str, stream: str, message: str) -> None:
        self.lines.append(message)

    def parsed(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


@dataclass
class Laboratory:
    """A runtime with functions that are plain callables, and everything it would send away kept in lists."""

    path: Path
    logs: RecordedLogs = field(default_factory=RecordedLogs)
    metrics: Metrics = field(default_factory=Metrics)
    dead_letters: list[tuple[Event, GivenUp]] = field(default_factory=list)
    time_scale: float = TIME_SCALE
    least_pause_seconds: float = 0
    queue_is_broken: bool = False
    configurations: dict[str, FunctionConfiguration] = field(default_factory=dict)
    handlers: dict[str, Handler] = field(default_factory=dict)
    loads: int = 0
    unreadable: bool = False
    refusals: int = 0
    runtime: LambdaRuntime = field(init=False)

    def __post_init__(self) -> None:
        self.events = EventQueue(self.path)
        self.runtime = LambdaRuntime(
            configurations=self._configuration,
            send_dead_letter=self._send,
            events=self.events,
            logs=self.logs,
            metrics=self.metrics,
            load=self._load,
            time_scale=self.time_scale,
            least_pause_seconds=self.least_pause_seconds,
        )

    def function(self, name: str, handler: Handler, **settings: Any) -> None:
        self.handlers[name] = handler
        self.configurations[name] = FunctionConfiguration(
            name=name,
            arn=f"arn:aws:lambda:us-east-1:000000000001:function:{name}",
            handler=name,
            log_group=f"/aws/lambda/{name}",
            **(
                {"dead_letter_arn": "arn:aws:sqs:us-east-1:000000000001:dead", "timeout_seconds": 30}
                | settings
            ),
        )

    def change(self, name: str, **settings: Any) -> None:
        self.configurations[name] = replace(self.configurations[name], **settings)

    def total(self, metric: str) -> float:
        """The sum of a metric since the last time somebody looked."""
        return sum(sum(values) for found, values in self.metrics.take().items() if found.name == metric)

    def _configuration(self, name: str) -> FunctionConfiguration:
        if self.unreadable:
            self.refusals += 1
            raise ConnectionError("no answer from Lambda")
        if name not in self.configurations:
            raise FunctionMissing(name)
        return self.configurations[name]

    def _load(self, configuration: FunctionConfiguration) -> Handler:
        self.loads += 1
        return self.handlers[configuration.handler]

    def _send(self, arn: str, event: Event, reason: GivenUp) -> None:
        if self.queue_is_broken:
            raise ConnectionError("the queue is gone")
        self.dead_letters.append((event, reason))


@contextmanager
def started(laboratory: Laboratory) -> Iterator[Laboratory]:
    laboratory.runtime.start()
    yield laboratory
    laboratory.runtime.stop()
    laboratory.events.close()


@pytest.fixture
def laboratory(tmp_path: Path) -> Iterator[Laboratory]:
    with started(Laboratory(tmp_path / "events.sqlite3")) as found:
        yield found
