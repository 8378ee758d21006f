"""What became of the steps, told as they end, and the exit code that follows from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from b2bpilot.advice import Words, our_command
from b2bpilot.cli.output import Line, Output, Tone, Toned, of_state

DONE, FAILED, NOTHING_TRIED, NOT_ALL_TRIED, INTERRUPTED = 0, 1, 2, 4, 130
NEVER_TRIED: Sequence[Words] = (
    "that a person gets what an alarm sends",
    "a message from a phone; where a number's messages go: " + our_command("twilio", "route"),
    "a redrive inside AWS (--engine lambda): it takes the whole queue, and so somebody else's dead letters",
)


class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "FAILED"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One step's end: what it saw, why it failed, or why it was not tried."""

    step: str
    verdict: Verdict
    detail: str


@dataclass(slots=True, kw_only=True)
class Report:
    """The steps of a run. Data goes to stdout, as the command line's own."""

    output: Output
    outcomes: list[Outcome] = field(default_factory=list)
    was_interrupted: bool = False

    def add(self, step: str, verdict: Verdict, detail: str) -> None:
        self.outcomes.append(Outcome(step=step, verdict=verdict, detail=detail))
        word = of_state(verdict.value) + " " * (10 - len(verdict.value))
        begun = f" {step:<16} "
        # The hint of a failure is a command, which is copied.
        told = Toned(detail, Tone.DATA) if verdict is Verdict.FAILED else detail
        self._say(Line(word + begun + told, indent=10 + len(begun)))

    def passed(self, step: str) -> bool:
        return any(each.step == step for each in self._of(Verdict.PASSED))

    def counts(self) -> Counter[str]:
        return Counter(each.verdict.value for each in self.outcomes)

    def end(self, *, strict: bool) -> int:
        """Say how it ended, list what was not tried, and return the exit code."""
        counts = self.counts()
        self._say(
            Line(),
            Line(", ".join(f"{counts[verdict.value]} {verdict.value}" for verdict in Verdict)),
            Line("Not tried:"),
            *(Line(f"  {each.step}: {each.detail}") for each in self._of(Verdict.NOT_TRIED)),
            *(Line("  " + what) for what in NEVER_TRIED),
        )
        if self.was_interrupted:
            return INTERRUPTED
        if counts[Verdict.FAILED.value]:
            return FAILED
        if not counts[Verdict.PASSED.value]:
            return NOTHING_TRIED
        return NOT_ALL_TRIED if strict and counts[Verdict.NOT_TRIED.value] else DONE

    def _of(self, verdict: Verdict) -> Sequence[Outcome]:
        return [each for each in self.outcomes if each.verdict is verdict]

    def _say(self, *lines: Line) -> None:
        self.output.lines(lines)
        self.output.stdout.flush()
