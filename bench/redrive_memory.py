"""The memory of a redrive of 100,000 dead letters: the real run and queue class over a client that makes dead letters up.

`python -m bench.redrive_memory` runs every case in a process of its own, with all that the command line imports.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from b2bpilot.aws.functions import Invocation
from b2bpilot.aws.queue import DeadLetterQueue
from b2bpilot.aws.session import AwsAccess
from b2bpilot.cli import app
from b2bpilot.ops.redrive.options import RedriveOptions
from b2bpilot.ops.redrive.routes import InvokeRoute
from b2bpilot.ops.redrive.run import Redrive
from b2bpilot.ops.runs.journal import Journal
from b2bpilot.ops.table.database_proof import THE_FUNCTIONS_OWN
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.models import Progress, SubmissionStatus
from b2bpilot.pipeline.owner import OURS
from bench.redrive import new_dead_letter

DEAD_LETTERS = 100_000
MOST_MEGABYTES = 150
ALREADY = datetime(2026, 1, 1, tzinfo=UTC)
GONE, WAITING, HIDDEN = range(3)

CASES: Mapping[str, Callable[[DeadLetter], bool]] = {
    "all of them are redriven": lambda _: True,
    "a filter leaves one in a thousand": lambda dead_letter: (
        index_of(dead_letter.queue_message_id) % 1_000 == 0
    ),
}


@dataclass(frozen=True)
class Chosen:
    """A filter that only its case knows."""

    matches: Callable[[DeadLetter], bool]

    def is_met_by(self, _: Iterable[str]) -> bool:
        return False


def main() -> None:
    for case in CASES:
        subprocess.run([sys.executable, "-m", "bench.redrive_memory", case], check=True)


def measure(case: str) -> None:
    """Redrive, and print the peak of the resident memory of this process."""
    queue = MadeUp(DEAD_LETTERS)
    _ = app, [AwsAccess(region="us-east-1").client(name) for name in ("cloudformation", "sqs", "lambda")]
    options = RedriveOptions(force=True, wait=timedelta(), concurrency=16)
    run = Redrive(
        queue=DeadLetterQueue(queue, "https://queue", judge=_ours),  # type: ignore[arg-type]  # the calls that a run makes
        route=InvokeRoute(queue),
        table=queue,
        options=options,
        wanted=Chosen(CASES[case]),
        started_at=datetime.now(UTC),
    )
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as home, run, _journal(Path(home)) as journal:
        summary = run.run_all(run.next_plan(), journal)
    seconds = time.perf_counter() - started
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
    print(
        f"{DEAD_LETTERS:,} dead letters, {case}: {summary.completed:,} completed, at most {megabytes:.0f} MB, {seconds:.0f} s"
    )
    assert summary.completed == (DEAD_LETTERS if case.startswith("all") else DEAD_LETTERS // 1_000)
    assert queue.states.count(HIDDEN) == 0
    assert queue.states.count(WAITING) == DEAD_LETTERS - summary.completed
    assert megabytes < MOST_MEGABYTES


class MadeUp:
    """SQS, the function and the rows; all that it keeps is a byte for each dead letter."""

    def __init__(self, count: int) -> None:
        self.states = bytearray([WAITING] * count)
        self._sample = new_dead_letter("arn:aws:sns:us-east-1:000000000001:topic")
        self._message_id = json.loads(json.loads(self._sample.body)["Records"][0]["Sns"]["Message"])[
            "message_id"
        ]
        self._next = 0
        self.proof = THE_FUNCTIONS_OWN
        self._asked: set[str] = set()

    def receive_message(self, **_: object) -> dict[str, Any]:
        found = []
        while len(found) < 10 and (place := self.states.find(WAITING, self._next)) >= 0:  # SQS's most
            self._next = place + 1
            self.states[place] = HIDDEN
            found.append(self._dead_letter(place))
        return {"Messages": found}

    def change_message_visibility_batch(self, **request: Any) -> dict[str, Any]:
        for entry in request["Entries"]:
            place = index_of(entry["ReceiptHandle"])
            if not entry["VisibilityTimeout"] and self.states[place] == HIDDEN:
                self.states[place] = WAITING
                self._next = min(self._next, place)
        return {"Successful": [{"Id": entry["Id"]} for entry in request["Entries"]]}

    def delete_message_batch(self, **request: Any) -> dict[str, Any]:
        for entry in request["Entries"]:
            self.states[index_of(entry["ReceiptHandle"])] = GONE
        return {"Successful": [{"Id": entry["Id"]} for entry in request["Entries"]]}

    def get_queue_attributes(self, **_: object) -> dict[str, Any]:
        return {
            "Attributes": {
                "ApproximateNumberOfMessages": str(self.states.count(WAITING)),
                "ApproximateNumberOfMessagesNotVisible": str(self.states.count(HIDDEN)),
            }
        }

    def invoke(self, event: Mapping[str, object]) -> Invocation:  # noqa: ARG002  # whatever it is, it succeeds
        return Invocation(error=None, result={"outcomes": ["stored"]}, log_tail="")

    def now(self) -> datetime:
        return ALREADY

    def progress_of(self, message_ids: Sequence[str]) -> dict[str, Progress]:
        """Nothing is stored when the plan is made; what was asked for before is completed."""
        asked, self._asked = self._asked, set(message_ids)
        return {message_id: _completed(message_id) for message_id in message_ids if message_id in asked}

    def _dead_letter(self, place: int) -> dict[str, Any]:
        dead_letter_id = str(uuid.UUID(int=place))
        return {
            "MessageId": dead_letter_id,
            "ReceiptHandle": dead_letter_id + "A" * 364,
            "Body": self._sample.body.replace(self._message_id, str(uuid.UUID(int=place + (1 << 64)))),
            "Attributes": {"SentTimestamp": "1767225600000", "ApproximateReceiveCount": "1"},
            "MessageAttributes": dict(self._sample.attributes),
        }


def index_of(text: str) -> int:
    """A dead letter's place, from its id or its receipt."""
    return uuid.UUID(text[:36]).int


def _ours(dead_letter: DeadLetter) -> DeadLetter:
    return replace(dead_letter, owner=OURS)


def _completed(message_id: str) -> Progress:
    return Progress(
        message_id=message_id,
        status=SubmissionStatus.COMPLETED,
        attempts=1,
        lease_expires_at=None,
        last_error=None,
        completed_at=ALREADY,
        updated_at=ALREADY,
    )


def _journal(home: Path) -> Journal:
    return Journal.create(
        home,
        command="redrive",
        environment="local",
        account_id="000000000001",
        region="us-east-1",
        operator="bench",
        reason=None,
        parameters={},
    )


if __name__ == "__main__":
    measure(sys.argv[1]) if len(sys.argv) > 1 else main()
