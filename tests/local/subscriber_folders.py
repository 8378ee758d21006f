"""Folders of subscribers, as `subscribers new` writes them, with a handler that writes down what it got and does as it is told."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from b2bpilot.ops.subscribers.new_folder import NewSubscriber, Protocol, write

SOONER = {
    "Timeout: 60": "Timeout: 10",
    "VisibilityTimeout: 360": "VisibilityTimeout: 60",
    "maxReceiveCount: 5": "maxReceiveCount: 3",
}
"""So that a dead letter of the queue takes three seconds of the local clock instead of half a minute."""

HANDLER = '''
import json
import os
import time
from pathlib import Path

from once import once

DIARY = Path(__file__).parent / "diary"
ORDER = Path(__file__).parent / "order"


@once("__NAME__")
def store(message, connection):
    """Write down that it began, do as the order says, and write down the end with the effect."""
    _write(message_id=message.message_id, at="begin", pid=os.getpid(), environ=dict(os.environ))
    order = ORDER.read_text() if ORDER.exists() else ""
    if order == "fail":
        raise RuntimeError("__NAME__ is broken")
    if order == "exit":
        os._exit(3)
    while order == "wait" and ORDER.exists():
        time.sleep(0.01)  # until the order is taken back: nothing else tells another process
    _write(message_id=message.message_id, at="end", pid=os.getpid())


def handler(event, context):
    _write(at="event", event=event)
    order = ORDER.read_text() if ORDER.exists() else ""
    if order.startswith("answer "):
        return json.loads(order.removeprefix("answer "))
    return store(event, context)


def _write(**line):
    with DIARY.open("a") as diary:
        diary.write(json.dumps(line) + "\\n")
'''


@dataclass(frozen=True, kw_only=True)
class TestSubscriber:
    """A subscriber as a test plays with it. Its order makes its handler "fail", "exit", "wait" for as long as the order
    stands, or "answer JSON" without storing anything; without one it stores."""

    __test__ = False

    name: str
    folder: Path

    @property
    def stack(self) -> str:
        """The name of its stack, its function and, with a queue, its queue."""
        return f"{self.name}-b2b-pilot-local"

    @property
    def dead_letter_queue(self) -> str:
        return f"{self.stack}-dlq"

    @property
    def order(self) -> Path:
        return self.folder / "order"

    def lines(self, at: str) -> list[dict[str, Any]]:
        """What its handler wrote at that point: "event", "begin" or "end"."""
        diary = self.folder / "diary"
        found = diary.read_text().splitlines() if diary.exists() else []
        return [line for line in map(json.loads, found) if line["at"] == at]

    def began(self, message_id: str) -> list[dict[str, Any]]:
        return [line for line in self.lines("begin") if line["message_id"] == message_id]

    def stored(self, message_id: str) -> list[dict[str, Any]]:
        return [line for line in self.lines("end") if line["message_id"] == message_id]


def write_subscriber(folder: Path, name: str, *, protocol: Protocol = Protocol.LAMBDA) -> TestSubscriber:
    """Make the folder of a subscriber that takes every message, tests as well."""
    files = NewSubscriber(name=name, protocol=protocol, filter_policy={}).files()
    template = files["template.yaml"].decode()
    for theirs, ours in SOONER.items():
        template = template.replace(theirs, ours)
    files |= {"template.yaml": template.encode(), "handler.py": HANDLER.replace("__NAME__", name).encode()}
    write(folder, files)
    return TestSubscriber(name=name, folder=folder)
