"""Looking at what may be behind a symptom, and saying of each hypothesis what is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from b2bpilot.ops.diagnose.evidence import EVIDENCE
from b2bpilot.ops.diagnose.symptom import HYPOTHESES, Hypothesis, Symptom
from b2bpilot.ops.verify.catalogue import CHECKS
from b2bpilot.ops.verify.check import Check, CheckResult, Status
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.runner import Runner

ALL: Mapping[str, Check] = {check.code: check for check in (*CHECKS, *EVIDENCE)}


class HypothesisState(StrEnum):
    """What is known of a hypothesis."""

    FOUND = "found"
    RULED_OUT = "ruled out"
    UNKNOWN = "unknown"
    """Something could not be looked at, and nothing that was speaks for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A hypothesis with the results that decide it: those that speak for it, or could not be had, or else all."""

    hypothesis: Hypothesis
    state: HypothesisState
    results: Sequence[CheckResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One symptom's branches, in the order in which a message passes."""

    symptom: Symptom
    branches: Sequence[Branch]

    def count(self, state: HypothesisState) -> int:
        return sum(branch.state is state for branch in self.branches)


def diagnose(symptoms: Sequence[Symptom], deployment: Deployment, *, check_seconds: float) -> list[Diagnosis]:
    """Look at everything once, side by side, and tell what it means for each symptom. Changes nothing."""
    wanted = {code for symptom in symptoms for one in HYPOTHESES[symptom] for code in one.codes}
    checks = [check for code, check in ALL.items() if code in _with_needs(wanted)]
    results = {one.check.code: one for one in Runner(checks, check_seconds=check_seconds).run(deployment)}
    return [
        Diagnosis(symptom=symptom, branches=[_branch(one, results) for one in HYPOTHESES[symptom]])
        for symptom in symptoms
    ]


def _with_needs(codes: set[str]) -> set[str]:
    found = set(codes)
    while more := {need for code in found for need in ALL[code].needs} - found:
        found |= more
    return found


def _branch(hypothesis: Hypothesis, results: Mapping[str, CheckResult]) -> Branch:
    mine = [results[code] for code in hypothesis.codes]
    speaking = [one for one in mine if one.is_known and one.status in (Status.FAILED, Status.WARNING)]
    if speaking:
        return Branch(hypothesis=hypothesis, state=HypothesisState.FOUND, results=speaking)
    if unseen := [one for one in mine if one.status is Status.SKIPPED or not one.is_known]:
        roots = {root.check.code: root for one in unseen for root in _roots(one, results)}
        return Branch(hypothesis=hypothesis, state=HypothesisState.UNKNOWN, results=list(roots.values()))
    return Branch(hypothesis=hypothesis, state=HypothesisState.RULED_OUT, results=mine)


def _roots(result: CheckResult, results: Mapping[str, CheckResult]) -> list[CheckResult]:
    """Return why something was not looked at: what it needs and is not so, wherever that belongs; else itself."""
    needed = [results[code] for code in result.check.needs if code in results]
    missing = [one for one in needed if one.status in (Status.FAILED, Status.SKIPPED)]
    if result.status is not Status.SKIPPED or not missing:
        return [result]
    return [root for one in missing for root in _roots(one, results)]
