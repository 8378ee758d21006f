"""A redrive that runs inside AWS: what its command and its function tell each other, as tags of the mapping (decision 6)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from b2bpilot.pipeline.dead_letter import DeadLetter

RUN_ID = "b2bpilot:redrive-run-id"
STARTED_AT = "b2bpilot:redrive-started-at"
ENDS_AT = "b2bpilot:redrive-ends-at"
MAX_FAILURES = "b2bpilot:redrive-max-failures"
ENDED = "b2bpilot:redrive-ended"
NAMELESS = "b2bpilot:redrive-nameless"
GONE = "b2bpilot:redrive-gone"
ADOPTED = "b2bpilot:redrive-adopted"
OWN = "b2bpilot:redrive-own"

KNOWS_OWNERS = "knows_owners"
"""In the function's answer to a call that only makes it stand guard: it tells whose a dead letter is. One of a version before
that took every dead letter for the processor's, and deleted it on the processor's word."""

LONGEST_VALUE = 256
MOST_ARNS = 12
"""A mapping has fifty tags at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberEvidence:
    """What the command saw of who is subscribed, and the function cannot ask: whose dead letters are those that name none of
    the stack's own subscriptions. What is not here is left in the queue."""

    own: frozenset[str] = frozenset()
    """Subscriptions that end in the stack although the template did not make them: a repair did, or somebody by hand."""
    gone: frozenset[str] = frozenset()
    """Subscriptions that no longer exist: what carries a redrive's mark and names one of them is ours."""
    adopted: frozenset[str] = frozenset()
    """Those of which somebody said that they were the processor's."""
    nameless_are_ours: bool = False
    """Whether no other live subscriber sends its dead letters into the queue."""

    def tags(self) -> dict[str, str]:
        nameless = {NAMELESS: "ours" if self.nameless_are_ours else "unknown"}
        arns = _arn_tags(OWN, self.own) | _arn_tags(GONE, self.gone) | _arn_tags(ADOPTED, self.adopted)
        return nameless | arns


def evidence_in(tags: Mapping[str, str]) -> SubscriberEvidence:
    return SubscriberEvidence(
        own=_arns(tags, OWN),
        gone=_arns(tags, GONE),
        adopted=_arns(tags, ADOPTED),
        nameless_are_ours=tags.get(NAMELESS) == "ours",
    )


def _arn_tags(key: str, arns: frozenset[str]) -> dict[str, str]:
    """Tags of an earlier run stay, so the number of those that count is said. One that is too long is left out: then its dead
    letters are given back."""
    kept = sorted(arn for arn in arns if len(arn) <= LONGEST_VALUE)[:MOST_ARNS]
    return {key: str(len(kept)), **{f"{key}-{n}": arn for n, arn in enumerate(kept, 1)}}


def _arns(tags: Mapping[str, str], key: str) -> frozenset[str]:
    count = tags.get(key, "0")
    known = int(count) if count.isascii() and count.isdigit() else 0
    return frozenset(
        tags[name] for n in range(1, min(known, MOST_ARNS) + 1) if (name := f"{key}-{n}") in tags
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteRun:
    """`started_at` is by AWS's clock, as SentTimestamp is: dead letters sent later are not the run's.

    `ends_at` is its last moment, done or not. `max_failures` is a share, 0.2 for a fifth. `ended` says why it is over.
    """

    run_id: str
    started_at: datetime
    ends_at: datetime
    max_failures: float
    ended: str = ""
    evidence: SubscriberEvidence = field(default_factory=SubscriberEvidence)

    def tags(self) -> dict[str, str]:
        return {
            RUN_ID: self.run_id,
            STARTED_AT: self.started_at.isoformat(),
            ENDS_AT: self.ends_at.isoformat(),
            MAX_FAILURES: str(self.max_failures),
            **ended_tags(self.ended),
            **self.evidence.tags(),
        }


def ended_tags(because: str) -> dict[str, str]:
    """AWS takes letters, digits, spaces and a few signs as the value of a tag."""
    return {ENDED: re.sub(r"[^\w .:/=+@-]+", " ", because)[:LONGEST_VALUE].strip()}


def remote_run(tags: Mapping[str, str]) -> RemoteRun | None:
    """Return the run that the tags tell of, the last one when none is on; None when they tell of none."""
    try:
        return RemoteRun(
            run_id=tags[RUN_ID],
            started_at=datetime.fromisoformat(tags[STARTED_AT]),
            ends_at=datetime.fromisoformat(tags[ENDS_AT]),
            max_failures=float(tags[MAX_FAILURES]),
            ended=tags.get(ENDED, ""),
            evidence=evidence_in(tags),
        )
    except (KeyError, ValueError):
        return None


def can_be_tried(dead_letter: DeadLetter) -> bool:
    """Whether any run may try the dead letter: it is ours, it can be read, and did not come back too often."""
    return dead_letter.owner.is_ours and dead_letter.event is not None and not dead_letter.is_poison


def belongs(dead_letter: DeadLetter, run: RemoteRun) -> bool:
    """Whether the run may try the dead letter. What was written after its start, its own failures among it, it may not."""
    return (
        can_be_tried(dead_letter)
        and dead_letter.redriven_by != run.run_id
        and (dead_letter.sent_at is None or dead_letter.sent_at < run.started_at)
    )
