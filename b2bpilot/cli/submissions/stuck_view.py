"""Rows that may need a person, each with its problem, and what was asked to name it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from b2bpilot.advice import our_command
from b2bpilot.cli.output import Output, Row, of_state
from b2bpilot.cli.submissions import submission
from b2bpilot.ops.submissions import ADVICE, AttentionReason, possible_run, problem_of
from b2bpilot.pipeline.message import format_time
from b2bpilot.pipeline.models import UserSubmission
from b2bpilot.plural import many

if TYPE_CHECKING:
    from b2bpilot.ops.retries import RetryFacts


class StuckView:
    """Rows as they come. `facts` is asked once, with the first row: a look at the queue takes seconds."""

    def __init__(self, *, facts: Callable[[], RetryFacts], reveal: bool) -> None:
        self.problems: Counter[AttentionReason] = Counter()
        self._ask, self._reveal = facts, reveal

    @cached_property
    def facts(self) -> RetryFacts:
        return self._ask()

    def row(self, row: UserSubmission, *, now: datetime) -> Row:
        problem = problem_of(row, now=now, facts=self.facts)
        self.problems[problem] += 1
        due = possible_run(row, self.facts) if problem is AttentionReason.RETRY_POSSIBLE else None
        told = {
            "problem": problem.value,
            "advice": ADVICE[problem],
            "possible_run_at": format_time(due) if due else None,
        }
        columns = submission.columns(row, reveal=self._reveal, now=now)
        return Row(
            fields=submission.fields(row, reveal=self._reveal) | told,
            columns=columns | {"status": of_state(problem.value)},
        )

    def tell(self, output: Output) -> None:
        """Say what each problem means, and of what nobody could be asked."""
        for problem, number in self.problems.items():
            output.notice(f"{problem} ({many(number, 'row')}): " + ADVICE[problem])
        if not self.problems:
            output.notice("No rows need attention.")
            return
        self._tell_unknown(output)
        output.notice(our_command("inspect", "MESSAGE_ID") + " shows the whole story of one")

    def _tell_unknown(self, output: Output) -> None:
        if not self.problems.keys() & {
            AttentionReason.FAILED,
            AttentionReason.RETRY_POSSIBLE,
            AttentionReason.STUCK,
        }:
            return
        if self.facts.unseen:
            output.notice(f"Whether these have dead letters is unknown: {self.facts.unseen}")
        elif problem := self.facts.retries.problem:
            output.notice(f"How often Lambda retries a failed message is unknown: {problem}")
