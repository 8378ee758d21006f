"""What the function knows of who is subscribed: the stack's own from its environment, the rest from the command's look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from b2bpilot.pipeline.arn import function_name
from b2bpilot.pipeline.owner import OURS, Owner, Ownership
from b2bpilot.pipeline.remote_run import SubscriberEvidence


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSubscribers:
    """Satisfies pipeline.owner.Subscribers. Whoever is not known here may be alive: their dead letters are given back."""

    subscription_arns: frozenset[str] = frozenset()
    function_arns: frozenset[str] = frozenset()
    queue_arn: str | None = None
    evidence: SubscriberEvidence = field(default_factory=SubscriberEvidence)

    @classmethod
    def of_environment(cls, environ: Mapping[str, str]) -> Self:
        """Return the stack's own, as the template names them. Where it names none, none is known."""
        return cls(
            subscription_arns=_listed(environ.get("OWN_SUBSCRIPTION_ARNS", "")),
            function_arns=_listed(environ.get("OWN_FUNCTION_ARNS", "")),
            queue_arn=environ.get("OWN_QUEUE_ARN") or None,
        )

    def owner_of_subscription(self, arn: str) -> Owner:
        if arn in self.subscription_arns or arn in self.evidence.own:
            return OURS
        if arn in self.evidence.adopted:
            return Owner(ownership=Ownership.OURS, name=arn, subscription_arn=arn, is_adopted=True)
        ownership = Ownership.GONE if arn in self.evidence.gone else Ownership.UNKNOWN
        return Owner(ownership=ownership, name=arn, subscription_arn=arn)

    def is_own(self, arn: str) -> bool:
        return function_name(arn) in self.function_arns or (arn != "" and arn == self.queue_arn)

    def is_marked_for(self, endpoint: str | None) -> bool:
        return endpoint is None

    def owner_of_nameless(self) -> Owner:
        if self.evidence.nameless_are_ours:
            return OURS
        return Owner(ownership=Ownership.UNKNOWN, name="it names no subscription")


def _listed(text: str) -> frozenset[str]:
    return frozenset(arn for arn in text.split(",") if arn)
