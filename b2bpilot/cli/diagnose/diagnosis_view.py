"""How a diagnosis is shown."""

from __future__ import annotations

from collections.abc import Iterator

from b2bpilot.advice import our_command
from b2bpilot.cli.output import Line, Tone, Toned, pasted
from b2bpilot.ops.diagnose.diagnosis import Branch, Diagnosis, HypothesisState
from b2bpilot.ops.diagnose.symptom import MEANING, Symptom
from b2bpilot.ops.verify.check import CheckResult, Status
from b2bpilot.ops.verify.report import said

MARKS = {
    HypothesisState.FOUND: "FOUND",
    HypothesisState.RULED_OUT: "ruled out",
    HypothesisState.UNKNOWN: "unknown",
}
TONES = {
    HypothesisState.FOUND: Tone.FAILED,
    HypothesisState.RULED_OUT: Tone.OK,
    HypothesisState.UNKNOWN: Tone.WARNING,
}
INDENT = 13
NEXT = {
    Symptom.NOT_PROCESSED: ("One message's whole story:", our_command("inspect", "MESSAGE_SID")),
    Symptom.DUPLICATES: ("Each delivery of one message:", our_command("inspect", "MESSAGE_SID")),
    Symptom.ERRORS: ("Errors as they come:", our_command("logs", "--level", "error", "--follow")),
}


def lines(found: Diagnosis) -> Iterator[Line]:
    """Return what was found, in the order of the hypotheses, and what to do next."""
    yield Line(f"{found.symptom}: {MEANING[found.symptom]}", Tone.HEADING)
    causes = {
        one.check.code
        for branch in found.branches
        if branch.state is HypothesisState.FOUND
        for one in branch.results
    }
    for branch in found.branches:
        mark = Toned(f"{MARKS[branch.state]:<10}", TONES[branch.state])
        yield Line("  " + mark + f" {branch.hypothesis.text}", indent=INDENT)
        if branch.state is not HypothesisState.RULED_OUT:
            for result in branch.results:
                is_told = branch.state is HypothesisState.UNKNOWN and result.check.code in causes
                yield from _of_result(result, is_told=is_told)
    text, command = NEXT[found.symptom]
    yield Line(f"{_summary(found)} {text}")
    yield pasted(command, indent=2)


def fields(found: Diagnosis) -> dict[str, object]:
    return {
        "symptom": found.symptom.value,
        "hypotheses": [_branch_fields(branch) for branch in found.branches],
        "found": found.count(HypothesisState.FOUND),
        "ruled_out": found.count(HypothesisState.RULED_OUT),
        "unknown": found.count(HypothesisState.UNKNOWN),
    }


def _branch_fields(branch: Branch) -> dict[str, object]:
    return {
        "hypothesis": branch.hypothesis.text,
        "verdict": branch.state.value,
        "evidence": [
            {
                "code": one.check.code,
                "statement": one.check.statement,
                "status": one.status.value,
                "answered": one.is_known and one.status is not Status.SKIPPED,
                "seen": one.seen,
                "run": one.fix,
            }
            for one in branch.results
        ],
    }


def _summary(found: Diagnosis) -> str:
    causes, open_ = found.count(HypothesisState.FOUND), found.count(HypothesisState.UNKNOWN)
    told = {0: "No cause was found", 1: "1 cause was found"}.get(causes, f"{causes} causes were found")
    return f"{told}; {open_} could not be checked." if open_ else f"{told}."


def _of_result(result: CheckResult, *, is_told: bool) -> Iterator[Line]:
    """What is told as a cause has its reason and its command there."""
    before = " " * INDENT
    if is_told:
        yield Line(f"{before}not known until this is so: {result.check.statement}")
        return
    is_check = result.check.code.startswith("B2B")
    named = " (" + our_command("explain", result.check.code) + ")" if is_check else ""
    is_seen = result.is_known and result.status is not Status.SKIPPED
    doubt = "" if is_seen else "not known: "
    yield Line(f"{before}{doubt}{said(result)}" + named)
    if result.fix:
        yield pasted(result.fix, indent=INDENT + 2)
