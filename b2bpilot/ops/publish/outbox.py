"""The messages of a run on disk, in full, until all of them are sent: what a resumed run sends the rest from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from b2bpilot.advice import our_command
from b2bpilot.errors import Refused
from b2bpilot.ops.publish.order import Item
from b2bpilot.ops.runs.durable import DurableFile
from b2bpilot.ops.runs.record import entries
from b2bpilot.pipeline.message import decode, encode

FOLDER = "outbox"
PAGE = 1_000


class Outbox:
    """One run's file (0600): it holds bodies and numbers, and is deleted when nothing is left to send."""

    def __init__(self, home: Path, run_id: str) -> None:
        self.path = home / FOLDER / f"{run_id}.jsonl"

    def fill(self, items: Iterable[Item]) -> int:
        """Write all items and return, when they are on disk, how many they are. Raises JournalFailed."""
        count = 0
        left = iter(items)
        with DurableFile.create(self.path) as file:
            while page := list(islice(left, PAGE)):
                file.append(map(_line, page), durable=False)
                count += len(page)
            file.append([], durable=True)
        return count

    def items(self) -> Iterator[Item]:
        """Yield what was written, in its order. Raises JournalFailed."""
        for entry in entries(self.path):
            message = decode(json.dumps(entry["message"]), {"priority": entry["priority"]})
            yield Item(message=message, copy=entry["copy"])

    def require(self, run_id: str) -> None:
        """Raises Refused when there is no such file any more."""
        if not self.path.exists():
            raise Refused(
                f"run {run_id} has nothing left to send, or its messages are gone: {self.path}",
                hint="see " + our_command("runs", "show", run_id),
            )

    def delete(self) -> None:
        self.path.unlink(missing_ok=True)


def _line(item: Item) -> bytes:
    priority, body = item.message.priority.value, encode(item.message).body
    head = f'{{"copy":{item.copy},"priority":"{priority}","message":'
    return f"{head}{body}}}".encode()
