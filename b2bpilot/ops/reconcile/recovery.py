"""Publishing what is missing: look again, rebuild, journal, publish, and prove by the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from types import MappingProxyType
from typing import Protocol

from b2bpilot.aws.topic import Published
from b2bpilot.errors import AwsDenied, CredentialsMissing, PilotError
from b2bpilot.ops.dead_letters.proof import Fate, Proof, Prover
from b2bpilot.ops.reconcile.rebuild import Origin, Rebuilt, rebuild
from b2bpilot.ops.reconcile.verdict import Finding
from b2bpilot.pipeline.arrivals import stored_without_message_id
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.message import Encoded, encode, message_id_for
from b2bpilot.twilio.failures import TwilioDenied, TwilioUnreachable
from b2bpilot.twilio.rest import IN_FLIGHT, Twilio

WINDOW = 500
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""For rows of earlier attempts: whatever they say now is the answer."""
HOPELESS = (AwsDenied, CredentialsMissing, TwilioDenied, TwilioUnreachable)
"""What one message meets, all of them will meet."""


class Publisher(Protocol):
    """The part of Topic that is used here: a failure is a result, never raised."""

    def publish_batch(self, messages: Sequence[Encoded]) -> list[Published]: ...


class Journal(Protocol):
    def write(self, *entries: Mapping[str, object], durable: bool = True) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A message that is not proven to be stored, and why."""

    sid: str
    message_id: str
    reason: str


@dataclass(slots=True, kw_only=True)
class Recovered:
    """What a run did. `lost` counts for how many messages a parameter is gone for good."""

    stored_meanwhile: int = 0
    published: int = 0
    proven: int = 0
    partial: int = 0
    """Published with parts that are redacted or deleted at Twilio, or may be."""
    whole: int = 0
    """Published with all parameters that the webhook had."""
    origins: Counter[Origin] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    is_stopped: bool = False
    """Nothing of a whole window was stored: the rest, which there is, was not published."""

    def count(self, origin: Origin, lost: Iterable[str], *, is_partial: bool = False) -> None:
        """One more was published."""
        self.published += 1
        self.partial += is_partial
        self.whole += origin is Origin.ALERT and not is_partial
        self.origins[origin] += 1
        self.lost.update(lost)

    def counts(self) -> dict[str, int]:
        return {
            "published": self.published,
            "stored": self.proven,
            "stored_meanwhile": self.stored_meanwhile,
            "not_proven": len(self.problems),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """One run. `wait` is how long the proof of each window may take; `allow_partial` publishes also what is left of redacted
    messages."""

    twilio: Twilio
    database: DatabaseManager
    publisher: Publisher
    journal: Journal
    wait: timedelta
    allow_partial: bool = False
    observe: Callable[[str], None] = lambda _: None

    def run(self, findings: Iterable[Finding], recovered: Recovered) -> Recovered:
        """Publish window by window. Raises what no message can pass; what was done is in the journal then."""
        remaining = iter(findings)
        window = list(islice(remaining, WINDOW))
        with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="twilio") as pool:
            while window and not recovered.is_stopped:
                still_missing = self._still_missing(window, recovered)
                rebuilt = dict(pool.map(self._rebuild, still_missing))
                is_in_vain = self._publish(rebuilt, recovered)
                self.observe(f"Published {recovered.published:,}, {recovered.proven:,} proven to be stored")
                window = list(islice(remaining, WINDOW))
                recovered.is_stopped = is_in_vain and bool(window)
        return recovered

    def prove(self, sids: Sequence[str], recovered: Recovered) -> None:
        """Look for the rows of what was published before. `proven` and `problems` grow."""
        for start in range(0, len(sids), WINDOW):
            self._prove(sids[start : start + WINDOW], recovered, since=LONG_AGO)

    def _still_missing(self, window: Sequence[Finding], recovered: Recovered) -> list[Finding]:
        """The webhook, Twilio's retry or an earlier attempt of this run may have been faster: then the row tells."""
        rows = self.database.progress_of([message_id_for(each.sid) for each in window])
        old = stored_without_message_id(self.database, [each.sid for each in window])
        here = [each.sid for each in window if message_id_for(each.sid) in rows]
        recovered.stored_meanwhile += len(here) + len(old)
        recovered.proven += len(old)
        if old:
            self.journal.write(*(_entry("proof", sid, fate=Fate.COMPLETED.value) for sid in old))
        self.prove(here, recovered)
        return [each for each in window if each.sid not in old and each.sid not in here]

    def _rebuild(self, finding: Finding) -> tuple[str, Rebuilt | PilotError]:
        try:
            return finding.sid, rebuild(self.twilio, finding, allow_partial=self.allow_partial)
        except HOPELESS:
            raise
        except PilotError as exc:
            return finding.sid, exc

    def _publish(self, rebuilt: Mapping[str, Rebuilt | PilotError], recovered: Recovered) -> bool:
        """Return whether it was in vain: nothing of what was sent is proven to be stored."""
        encoded = dict(self._encoded(rebuilt, recovered))
        if not encoded:
            return False
        self.journal.write(*(_sending(sid, rebuilt[sid]) for sid in encoded))
        since = self.database.now()
        results = dict(zip(encoded, self.publisher.publish_batch(list(encoded.values())), strict=True))
        self.journal.write(*(_result(sid, result) for sid, result in results.items()))
        for sid, result in results.items():
            if isinstance(result.error, HOPELESS):
                raise result.error
            each = rebuilt[sid]
            if result.error is None and isinstance(each, Rebuilt):
                recovered.count(each.origin, each.lost, is_partial=each.is_partial)
        proven = recovered.proven
        # One whose outcome is unknown may have been published: its row tells.
        errors = {sid: result.error for sid, result in results.items() if result.error}
        self._prove(list(results), recovered, since=since, errors=errors)
        return recovered.proven == proven

    def _encoded(
        self, rebuilt: Mapping[str, Rebuilt | PilotError], recovered: Recovered
    ) -> Iterator[tuple[str, Encoded]]:
        for sid, each in rebuilt.items():
            try:
                if isinstance(each, PilotError):
                    raise each
                yield sid, encode(each.message)
            except PilotError as exc:
                recovered.problems.append(_problem(sid, f"not published: {exc}"))
                self.journal.write(_entry("failed", sid, error=str(exc)))

    def _prove(
        self,
        sids: Sequence[str],
        recovered: Recovered,
        *,
        since: datetime,
        errors: Mapping[str, PilotError] = MappingProxyType({}),
    ) -> None:
        ids = {message_id_for(sid): sid for sid in sids}
        accepted = [message_id for message_id, sid in ids.items() if sid not in errors]
        doubtful = [message_id for message_id, sid in ids.items() if sid in errors]
        prover = Prover(self.database)
        proof = _joined(
            prover.prove(accepted, since=since, timeout=self.wait),
            prover.prove(doubtful, since=since, timeout=timedelta()),
        )
        if proof.fates:
            self.journal.write(*(_proven(ids[id_], proof, id_) for id_ in proof.fates))
        for message_id, fate in proof.fates.items():
            if fate is Fate.COMPLETED:
                recovered.proven += 1
            else:
                reason = _reason(proof, message_id, errors.get(ids[message_id]))
                recovered.problems.append(_problem(ids[message_id], reason))


def _joined(one: Proof, other: Proof) -> Proof:
    return Proof(fates={**one.fates, **other.fates}, reasons={**one.reasons, **other.reasons})


def _reason(proof: Proof, message_id: str, error: PilotError | None) -> str:
    if error is not None:
        return f"not published: {error}"
    if proof.fates[message_id] is Fate.FAILED_AGAIN:
        return f"published, processing failed: {proof.reasons[message_id]}"
    return "published, not stored within the time"


def _entry(event: str, sid: str, **fields: object) -> Mapping[str, object]:
    return {"event": event, "queue_message_id": sid, "message_id": message_id_for(sid), **fields}


def _sending(sid: str, rebuilt: Rebuilt | PilotError) -> Mapping[str, object]:
    if isinstance(rebuilt, PilotError):
        return _entry("sending", sid)
    return _entry(
        "sending",
        sid,
        rebuilt_from=rebuilt.origin.value,
        lost=list(rebuilt.lost),
        partial=rebuilt.is_partial,
    )


def _result(sid: str, result: Published) -> Mapping[str, object]:
    if result.error is None:
        return _entry("accepted", sid, sns_message_id=result.sns_message_id)
    return _entry("unknown", sid, error=str(result.error))


def _proven(sid: str, proof: Proof, message_id: str) -> Mapping[str, object]:
    return _entry("proof", sid, fate=proof.fates[message_id].value, reason=proof.reasons.get(message_id))


def _problem(sid: str, reason: str) -> Problem:
    return Problem(sid=sid, message_id=message_id_for(sid), reason=reason)
