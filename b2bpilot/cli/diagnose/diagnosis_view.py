"""How a diagnosis is shown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from b2bpilot.advice import our_command
from b2bpilot.cli.output import Output
from b2bpilot.cli.text import plain
from b2bpilot.ops.diagnose.diagnosis import Branch, Diagnosis, HypothesisState
from b2bpilot.ops.diagnose.symptom import MEANING, Symptom
from b2bpilot.ops.verify.check import CheckResult, Status
from b2bpilot.ops.verify.report import anchor, said

MARKS = {
    HypothesisState.FOUND: "FOUND",
    HypothesisState.RULED_OUT: "ruled out",
    HypothesisState.UNKNOWN: "unknown",
}
STYLES = {
    HypothesisState.FOUND: "bold red",
    HypothesisState.RULED_OUT: "green",
    HypothesisState.UNKNOWN: "yellow",
}
INDENT = " " * 13
NARROWEST = 24
NEXT = {
    Symptom.NOT_PROCESSED: ("One message's whole story:", our_command("inspect", "MESSAGE_SID")),
    Symptom.DUPLICATES: ("Each delivery of one message:", our_command("inspect", "MESSAGE_SID")),
    Symptom.ERRORS: ("Errors as they come:", our_command("logs", "--level", "error", "--follow")),
}


def lines(found: Diagnosis, output: Output) -> Iterator[str]:
    """Return what was found, in the order of the hypotheses, and what to do next."""
    yield output.painted(f"{found.symptom}: {MEANING[found.symptom]}", "bold")
    causes = {
        one.check.code
        for branch in found.branches
        if branch.state is HypothesisState.FOUND
        for one in branch.results
    }
    for branch in found.branches:
        first, *rest = _wrapped(branch.hypothesis.text, output, INDENT)
        mark = output.painted(f"  {MARKS[branch.state]:<10} ", STYLES[branch.state])
        yield f"{mark}{first.removeprefix(INDENT)}"
        yield from rest
        if branch.state is not HypothesisState.RULED_OUT:
            for result in branch.results:
                yield from _of_result(
                    result,
                    output,
                    is_told=branch.state is HypothesisState.UNKNOWN and result.check.code in causes,
                )
    text, command = NEXT[found.symptom]
    yield from _wrapped(f"{_summary(found)} {text}", output, "")
    yield f"  {output.painted(command, 'bold')}"


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


def _of_result(result: CheckResult, output: Output, *, is_told: bool) -> Iterator[str]:
    """What is told as a cause has its reason and its command there."""
    if is_told:
        yield from _wrapped(f"not known until this is so: {result.check.statement}", output, INDENT)
        return
    named = f" ({anchor(result.check)})" if result.check.code.startswith("B2B") else ""
    is_seen = result.is_known and result.status is not Status.SKIPPED
    doubt = "" if is_seen else "not known: "
    yield from _wrapped(f"{doubt}{said(result)}{named}", output, INDENT)
    if result.fix:
        yield f"{INDENT}  {output.painted(result.fix, 'bold')}"


def _wrapped(text: str, output: Output, indent: str) -> list[str]:
    safe, width = plain.one_line(text), output.width
    if width is None:
        return [indent + safe]
    return textwrap.wrap(
        safe, max(NARROWEST, width), initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
