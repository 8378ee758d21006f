"""Publishing what is missing: look again, rebuild, journal, publish, and prove by the rows."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from types import MappingProxyType

from b2bpilot.aws.topic import Published
from b2bpilot.errors import AwsDenied, AwsError, CredentialsMissing, PilotError
from b2bpilot.ops.ports import JournalWriter, Publisher
from b2bpilot.ops.reconcile.message_finding import ID_TAKEN, MessageFinding
from b2bpilot.ops.reconcile.rebuild import IsService, Rebuilt, rebuild
from b2bpilot.ops.reconcile.recovered import Contents, Recovered
from b2bpilot.ops.table.asked import WholeTable
from b2bpilot.ops.table.row_proof import Proof, RowOutcome, RowProof, failed_since
from b2bpilot.ops.table.row_state import Asked, old_rows_of, rows_and_taken
from b2bpilot.ops.unproven import UnprovenMessage
from b2bpilot.pipeline.message import Encoded, encode, message_id_for
from b2bpilot.twilio.failures import TwilioDenied, TwilioUnreachable
from b2bpilot.twilio.rest import IN_FLIGHT, Twilio
from b2bpilot.twilio.services import is_service

WINDOW = 500
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""For rows of earlier attempts: whatever they say now is the answer."""
HOPELESS = (AwsDenied, CredentialsMissing, TwilioDenied, TwilioUnreachable)
"""What one message meets, all of them will meet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """One run. `wait` is how long the proof of each window may take; `allow_partial` publishes also what is left of redacted
    messages. What was sent to `high_priority_numbers` is published with high priority, as the webhook would have."""

    twilio: Twilio
    table: WholeTable
    publisher: Publisher
    journal: JournalWriter
    wait: timedelta
    allow_partial: bool = False
    high_priority_numbers: frozenset[str] = frozenset()
    observe: Callable[[str], None] = lambda _: None

    def run(self, findings: Iterable[MessageFinding], recovered: Recovered) -> Recovered:
        """Publish window by window. Raises what no message can pass; what was done is in `recovered` and the journal then."""
        remaining = iter(findings)
        window = list(islice(remaining, WINDOW))
        is_known = functools.cache(functools.partial(is_service, self.twilio))
        with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="twilio") as pool:
            while window and not recovered.is_stopped:
                still_missing = self._still_missing(window, recovered)
                rebuilt = dict(pool.map(functools.partial(self._rebuild, is_known), still_missing))
                is_in_vain = self._publish(rebuilt, recovered)
                self.observe(f"Published {recovered.published:,}, {recovered.proven:,} proven to be stored")
                window = list(islice(remaining, WINDOW))
                recovered.is_stopped = is_in_vain and bool(window)
        return recovered

    def prove(self, sids: Sequence[str], recovered: Recovered) -> None:
        """Look for the rows of what was published before. `proven` and `problems` grow."""
        for start in range(0, len(sids), WINDOW):
            self._prove(sids[start : start + WINDOW], recovered, since=LONG_AGO)

    def _still_missing(self, window: Sequence[MessageFinding], recovered: Recovered) -> list[MessageFinding]:
        """The webhook, Twilio's retry or an earlier attempt of this run may have been faster: then the row tells."""
        rows, taken = rows_and_taken(self.table, (_asked(each.sid) for each in window))
        old = old_rows_of(self.table, [each.sid for each in window])
        here = [each.sid for each in window if _asked(each.sid) in rows]
        if old:
            self.journal.write(*(_entry("proof", sid, fate=RowOutcome.COMPLETED.value) for sid in old))
        for sid in old:
            recovered.stored_by_others(sid)
        self._prove(here, recovered, since=LONG_AGO, by=Recovered.stored_by_others)
        recovered.stored_meanwhile += sum(sid not in recovered.unknown for sid in (*old, *here))
        refused = [each.sid for each in window if _asked(each.sid) in taken and each.sid not in old]
        recovered.problems += [_problem(sid, f"not published: {ID_TAKEN}") for sid in refused]
        if refused:
            self.journal.write(*(_entry("failed", sid, error=ID_TAKEN) for sid in refused))
        return [each for each in window if each.sid not in {*old, *here, *refused}]

    def _rebuild(self, is_known: IsService, finding: MessageFinding) -> tuple[str, Rebuilt | PilotError]:
        try:
            return finding.sid, rebuild(
                self.twilio,
                finding,
                allow_partial=self.allow_partial,
                is_service=is_known,
                high=self.high_priority_numbers,
            )
        except HOPELESS:
            raise
        except PilotError as exc:
            return finding.sid, exc

    def _publish(self, rebuilt: Mapping[str, Rebuilt | PilotError], recovered: Recovered) -> bool:
        """Return whether it was in vain: nothing of what was sent is proven to be stored."""
        encoded = dict(self._encoded(rebuilt, recovered))
        if not encoded:
            return False
        self.journal.write(*(_sending(sid, contents) for sid, (_, contents) in encoded.items()))
        for sid, (_, contents) in encoded.items():
            recovered.begin(sid, contents)
        since = self.table.now()
        results = self._send({sid: each for sid, (each, _) in encoded.items()}, recovered)
        proven = recovered.proven
        # One whose outcome is unknown may have been published: its row tells.
        errors = {sid: result.error for sid, result in results.items() if result.error}
        self._prove(list(results), recovered, since=since, errors=errors)
        for error in errors.values():
            if isinstance(error, HOPELESS):
                raise error
        return recovered.proven == proven

    def _send(self, encoded: Mapping[str, Encoded], recovered: Recovered) -> Mapping[str, Published]:
        results = dict(zip(encoded, self.publisher.publish_batch(list(encoded.values())), strict=True))
        for sid, result in results.items():
            if result.error is None:
                recovered.accepted(sid)
            elif not result.is_unknown:
                recovered.not_taken(sid)
        self.journal.write(*(_result(sid, result) for sid, result in results.items()))
        return results

    def _encoded(
        self, rebuilt: Mapping[str, Rebuilt | PilotError], recovered: Recovered
    ) -> Iterator[tuple[str, tuple[Encoded, Contents]]]:
        for sid, each in rebuilt.items():
            try:
                if isinstance(each, PilotError):
                    raise each
                contents = Contents(origin=each.origin, lost=each.lost, is_partial=each.is_partial)
                yield sid, (encode(each.message), contents)
            except PilotError as exc:
                recovered.problems.append(_problem(sid, f"not published: {exc}"))
                self.journal.write(_entry("failed", sid, error=str(exc)))

    def _prove(
        self,
        sids: Sequence[str],
        recovered: Recovered,
        *,
        since: datetime,
        errors: Mapping[str, AwsError] = MappingProxyType({}),
        by: Callable[[Recovered, str], None] = Recovered.stored,
    ) -> None:
        asked = {_asked(sid): sid for sid in sids}
        row_proof = RowProof(self.table, failure_counts=failed_since(since))
        is_refused = {sid: not error.is_unknown for sid, error in errors.items()}
        accepted = (message for message, sid in asked.items() if not is_refused.get(sid))
        doubtful = (message for message, sid in asked.items() if is_refused.get(sid))
        proof = Proof(
            messages={
                **row_proof.prove(accepted, timeout=self.wait).messages,
                **row_proof.prove(doubtful, timeout=timedelta()).messages,
            }
        )
        if proof.messages:
            self.journal.write(*(_proven(asked[message], proof, message) for message in proof.messages))
        for message, one in proof.messages.items():
            sid = asked[message]
            if one.is_completed and is_refused.get(sid):
                recovered.stored_by_others(sid)
                recovered.stored_meanwhile += 1
            elif one.is_completed:
                by(recovered, sid)
            else:
                reason = _reason(proof, message, errors.get(asked[message]))
                recovered.problems.append(_problem(asked[message], reason))


def _asked(sid: str) -> Asked:
    return Asked(message_id_for(sid))


def _reason(proof: Proof, message: Asked, error: AwsError | None) -> str:
    if cause := proof.error(message):
        return f"published, processing failed: {cause}"
    if error is None:
        return "published, not stored within the time"
    if error.is_unknown:
        return f"unknown whether it was published, and not stored within the time: {error}"
    return f"not published: {error}"


def _entry(event: str, sid: str, **fields: object) -> Mapping[str, object]:
    return {"event": event, "queue_message_id": sid, "message_id": message_id_for(sid), **fields}


def _sending(sid: str, contents: Contents) -> Mapping[str, object]:
    return _entry(
        "sending",
        sid,
        rebuilt_from=contents.origin.value,
        lost=list(contents.lost),
        partial=contents.is_partial,
    )


def _result(sid: str, result: Published) -> Mapping[str, object]:
    if result.error is None:
        return _entry("accepted", sid, sns_message_id=result.sns_message_id)
    return _entry("unknown" if result.is_unknown else "failed", sid, error=str(result.error))


def _proven(sid: str, proof: Proof, message: Asked) -> Mapping[str, object]:
    return _entry("proof", sid, fate=proof.outcome(message).value, reason=proof.error(message))


def _problem(sid: str, reason: str) -> UnprovenMessage:
    return UnprovenMessage(sid=sid, message_id=message_id_for(sid), reason=reason)
