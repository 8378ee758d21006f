"""What a load sends: how many clients, how much each, which messages twice, which can never be stored."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from b2bpilot.errors import UsageError
from b2bpilot.ops.publish.compose import TEST_PARAMS
from b2bpilot.ops.publish.order import Item
from b2bpilot.ops.publish.routes import Via
from b2bpilot.pipeline.message import PilotMessage, Priority, Source

SAMPLES, MOST_LOOKED_AT = 20, 1_000
POISON = {"NumMedia": "two"}
"""A count that is none: the processor refuses it each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """`requests` is for each client; None goes on for `duration`. Shares are of the messages, 0.05 for 5 %."""

    clients: int
    requests: int | None = 10
    duration: timedelta | None = None
    ramp: timedelta = timedelta()
    duplicates: float = 0.0
    poison: float = 0.0
    via: Via = Via.WEBHOOK
    retry: timedelta = timedelta(seconds=60)
    """How long a request that was not accepted is made again, as Twilio makes it again."""
    high: float = 0.0
    high_number: str = ""
    """One of HighPriorityNumbers, to which those of high priority are sent: by the number the webhook knows them."""

    @property
    def messages(self) -> int | None:
        """How many messages there will be; None when only the duration tells."""
        return self.clients * self.requests if self.requests is not None else None

    @property
    def spelled_duration(self) -> str:
        return f"{self.duration.total_seconds():g} s" if self.duration else "ever"

    def samples(self, *, now: datetime) -> list[PilotMessage]:
        """Return a few messages as they will be sent, to judge who gets them."""
        most = self.messages or MOST_LOOKED_AT
        few = [message_of(self, "sample", n) for n in range(min(SAMPLES, most))]
        every = (message_of(self, "sample", n) for n in range(min(MOST_LOOKED_AT, most)))
        urgent = [one for one in every if one.is_high][:1]
        return [one.item("sample", now=now).message for one in (*few, *urgent)]

    def parameters(self) -> dict[str, object]:
        """What the journal keeps."""
        return {
            "clients": self.clients,
            "requests": self.requests,
            "duration_seconds": self.duration.total_seconds() if self.duration else None,
            "ramp_seconds": self.ramp.total_seconds(),
            "duplicates": self.duplicates,
            "poison": self.poison,
            "via": self.via.value,
            "retry_seconds": self.retry.total_seconds(),
            "high": self.high,
            "high_number": self.high_number,
        }

    @classmethod
    def of_parameters(cls, parameters: Mapping[str, Any]) -> Self:
        duration = parameters["duration_seconds"]
        return cls(
            clients=parameters["clients"],
            requests=parameters["requests"],
            duration=timedelta(seconds=duration) if duration else None,
            ramp=timedelta(seconds=parameters["ramp_seconds"]),
            duplicates=parameters["duplicates"],
            poison=parameters["poison"],
            via=Via(parameters["via"]),
            retry=timedelta(seconds=parameters["retry_seconds"]),
            high=parameters.get("high", 0.0),
            high_number=parameters.get("high_number", ""),
        )

    def check(self) -> None:
        """Raises UsageError for shares that leave nothing to store, and for clients that would never start."""
        if self.duration is not None and self.ramp > self.duration:
            raise UsageError(
                f"--ramp: {self.ramp.total_seconds():g} s is longer than --duration, {self.spelled_duration}"
            )
        if self.poison + self.duplicates > 1:
            raise UsageError("--duplicates and --poison together are more than all messages")
        if self.poison + self.high > 1:
            raise UsageError("--high and --poison together are more than all messages")

    def numbers_of(self, client: int) -> Iterator[int]:
        """Yield the numbers of a client's messages, from 0 over all clients together without a gap."""
        if self.requests is not None:
            return iter(range(client, self.clients * self.requests, self.clients))
        return itertools.count(client, self.clients)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadMessage:
    """One message of a load."""

    number: int
    message_id: str
    is_poison: bool
    is_doubled: bool
    is_high: bool
    number_of_ours: str
    """Where it is sent to."""

    def item(self, run_id: str, *, now: datetime) -> Item:
        more = POISON if self.is_poison else {"NumMedia": "0"}
        message = PilotMessage(
            message_id=self.message_id,
            source=Source.CLI,
            received_at=now,
            params={
                **TEST_PARAMS,
                **more,
                "To": self.number_of_ours,
                "Body": f"load {run_id}, message {self.number + 1}",
            },
            test=True,
            priority=Priority.HIGH if self.is_high else Priority.NORMAL,
        )
        return Item(message=message)


def message_of(plan: LoadPlan, run_id: str, number: int) -> LoadMessage:
    """Return a message of a run by its number: the same each time, so that a run can be told from its journal."""
    is_poison = _is_one_of(number, plan.poison)
    healthy = number - _before(number, plan.poison)
    is_high = not is_poison and _is_one_of(healthy, _share_of_rest(plan.high, plan), shift=0.5)
    return LoadMessage(
        number=number,
        message_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{run_id}/{number}")),
        is_poison=is_poison,
        is_doubled=not is_poison and _is_one_of(healthy, _share_of_rest(plan.duplicates, plan)),
        is_high=is_high,
        number_of_ours=(is_high and plan.high_number) or TEST_PARAMS["To"],
    )


def _share_of_rest(share: float, plan: LoadPlan) -> float:
    return min(1.0, share / (1 - plan.poison)) if plan.poison < 1 else 0.0


def _is_one_of(number: int, share: float, *, shift: float = 0.0) -> bool:
    """Spread a share evenly: of any 100 messages 5 % are five. With a shift they are others than those of the same share."""
    return _before(number + 1, share, shift) > _before(number, share, shift)


def _before(number: int, share: float, shift: float = 0.0) -> int:
    return int(number * share + shift + 1e-9)
