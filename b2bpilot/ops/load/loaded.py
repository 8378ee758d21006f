"""A load that was sent: which messages, and which of their requests were accepted when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from b2bpilot.ops.load.clients import LoadRequests
from b2bpilot.ops.load.plan import LoadMessage, LoadPlan, message_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a run of this plan did."""

    run_id: str
    plan: LoadPlan
    requests: LoadRequests

    def messages(self) -> dict[int, LoadMessage]:
        """Return every message that may have reached the pipeline, by its number: one without an answer, too."""
        numbers = sorted({attempt.number for attempt in self.requests.attempts})
        return {number: message_of(self.plan, self.run_id, number) for number in numbers}

    def message_ids(self) -> Sequence[str]:
        return [one.message_id for one in self.messages().values()]

    def accepted_ids(self) -> Sequence[str]:
        accepted = self.accepted_at()
        return [one.message_id for number, one in self.messages().items() if number in accepted]

    def poison_ids(self) -> frozenset[str]:
        return frozenset(one.message_id for one in self.messages().values() if one.is_poison)

    def times_accepted(self) -> Mapping[int, int]:
        """Return how often each message was accepted, by its number; one that never was is absent."""
        return Counter(attempt.number for attempt in self.requests.attempts if attempt.error is None)

    def accepted_at(self) -> dict[int, float]:
        """Return when each message was accepted for the first time, in seconds since the start, by number."""
        found: dict[int, float] = {}
        for attempt in self.requests.attempts:
            if attempt.error is None:
                found[attempt.number] = min(attempt.ended_at, found.get(attempt.number, attempt.ended_at))
        return found

    def stopped(self) -> frozenset[int]:
        """Return the numbers of messages whose answer the run did not live to hear."""
        return frozenset(one.number for one in self.requests.attempts if one.is_stopped)
