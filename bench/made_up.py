"""SQS, the function and the rows of any number of dead letters, which are made up when they are asked for."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from b2bpilot.aws.functions import Invocation
from b2bpilot.aws.queue import DeadLetterQueue
from b2bpilot.ops.table.database_proof import THE_FUNCTIONS_OWN
from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.models import Progress, SubmissionStatus
from b2bpilot.pipeline.owner import OURS
from bench.redrive import new_dead_letter

ALREADY = datetime(2026, 1, 1, tzinfo=UTC)
GONE, WAITING, HIDDEN = range(3)


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

    def as_queue(self) -> DeadLetterQueue:
        """The real one, over these."""
        return DeadLetterQueue(self, "https://queue", judge=_ours)  # type: ignore[arg-type]  # the calls that are made

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
