"""What a run that publishes missing messages did, counted of messages: published, unknown, refused, proven."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from b2bpilot.ops.reconcile.rebuild import RebuiltFrom
from b2bpilot.ops.unproven import UnprovenMessage
from b2bpilot.plural import many


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What was sent of a message: where its parameters come from, which are lost, and whether parts are."""

    origin: RebuiltFrom
    lost: Sequence[str] = ()
    is_partial: bool = False


@dataclass(slots=True, kw_only=True)
class Recovered:
    """What a run did. `lost` counts for how many messages a parameter is gone for good."""

    stored_meanwhile: int = 0
    """They had a row before this run sent them, so it did not."""
    published: int = 0
    """SNS said that it took them."""
    refused: int = 0
    """Certainly not published: SNS refused them, or they never left."""
    unknown: dict[str, Contents] = field(default_factory=dict)
    """Sent, and no answer says whether SNS took them; by SID. What is being sent is among them until its answer is there."""
    unknown_before: set[str] = field(default_factory=set)
    """Of those that are sent again: a refusal now says nothing of the first time."""
    proven: int = 0
    """Stored, as their rows say, whoever published them."""
    proven_meanwhile: int = 0
    """Of those that had a row before."""
    unknown_proven: int = 0
    """Of the unknown ones: their rows show that they came."""
    partial: int = 0
    """Published with parts that are redacted or deleted at Twilio, or may be."""
    whole: int = 0
    """Published with all parameters that the webhook had."""
    origins: Counter[RebuiltFrom] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    problems: list[UnprovenMessage] = field(default_factory=list)
    is_stopped: bool = False
    """Nothing of a whole window was stored: the rest, which there is, was not published."""

    @property
    def sent(self) -> int:
        return self.published + self.refused + len(self.unknown)

    @property
    def published_proven(self) -> int:
        return self.proven - self.proven_meanwhile - self.unknown_proven

    def begin(self, sid: str, contents: Contents) -> None:
        """It is being sent: nobody knows yet."""
        if sid in self.unknown:
            self.unknown_before.add(sid)
        self.unknown[sid] = contents

    def accepted(self, sid: str) -> None:
        """SNS took it, by its answer."""
        self.published += 1
        self._count(self.unknown.pop(sid))

    def not_taken(self, sid: str) -> None:
        """It is certainly not published, unless it was sent before."""
        if sid in self.unknown_before:
            return
        self.refused += 1
        self.unknown.pop(sid)

    def stored(self, sid: str) -> None:
        """Its row says that it is stored."""
        self.proven += 1
        if sid in self.unknown:
            self.unknown_proven += 1
            self._count(self.unknown[sid])

    def stored_by_others(self, sid: str) -> None:
        """Its row says that it is stored, and this run did not publish it."""
        self.stored(sid)
        if sid not in self.unknown:
            self.proven_meanwhile += 1

    def counts(self) -> dict[str, int]:
        """What the journal keeps. Without an unknown one there is no such count."""
        unknown = {"unknown": len(self.unknown), "unknown_stored": self.unknown_proven}
        return {
            "published": self.published,
            "stored": self.proven,
            "stored_meanwhile": self.stored_meanwhile,
            "not_proven": len(self.problems),
            **(unknown if self.unknown else {}),
        }

    def _count(self, contents: Contents) -> None:
        self.partial += contents.is_partial
        self.whole += contents.origin is RebuiltFrom.ALERT and not contents.is_partial
        self.origins[contents.origin] += 1
        self.lost.update(contents.lost)


def summary(recovered: Recovered) -> Iterator[str]:
    """Say what the run did, each count of messages."""
    if not recovered.unknown and not recovered.refused:
        yield f"Published {recovered.published:,}; {recovered.published_proven:,} proven to be stored"
    else:
        yield f"Sent {many(recovered.sent, 'message')} to the topic; of these"
        yield f"  {recovered.published:,} published: SNS took them; {recovered.published_proven:,} proven to be stored"
        if unknown := len(recovered.unknown):
            yield (
                f"  {unknown:,} unknown: no answer says whether SNS took them; {recovered.unknown_proven:,} proven to be stored"
            )
        if recovered.refused:
            yield f"  {recovered.refused:,} certainly not published"
    if recovered.stored_meanwhile:
        yield (
            f"{recovered.stored_meanwhile:,} not published, because there was a row by then; "
            f"{recovered.proven_meanwhile:,} proven to be stored"
        )
