"""Checks of the category `database` that look at the rows: messages that did not get through."""

from __future__ import annotations

from functools import partial

from b2bpilot.advice import our_command
from b2bpilot.ops.verify.check import Answer, Category, Check, Probe, Severity, fails, holds
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.table import problems
from b2bpilot.pipeline.health import ProblemCount, RowProblem
from b2bpilot.plural import many

REDRIVE = our_command("dlq", "redrive")
RUN_STALE = "aws lambda invoke --function-name {stale_function_name} /dev/stdout"
SECRET = ("secretsmanager:GetSecretValue",)
LONGEST_ERROR = 120


def _none(problem: RowProblem, one: str, several: str, *, advice: str, may_change: bool = False) -> Probe:
    """Return the probe whose statement is that no customer's message has the problem; `one` and `several` are such messages."""

    def probe(deployment: Deployment) -> Answer:
        found = problems(deployment)[problem]
        if not found.messages:
            return holds(_tests(found.tests))
        return fails(f"{_described(found, one, several)}; {advice}", may_change=may_change)

    return probe


def _tests(count: int) -> str:
    if not count:
        return "none"
    return "none, but for 1 test message" if count == 1 else f"none, but for {count} test messages"


def _described(problem: ProblemCount, one: str, several: str) -> str:
    messages = many(problem.messages, one, several)
    named = problem.message_id or "without a message_id"
    since = f" since {problem.since:%Y-%m-%d %H:%M} UTC" if problem.since else ""
    error = f" ({problem.last_error[:LONGEST_ERROR]})" if problem.last_error else ""
    return f"{messages}, the oldest {named}{since}{error}"


check = partial(Check, category=Category.DATABASE, actions=SECRET, needs=("B2B082",))

CHECKS = (
    check(
        code="B2B084",
        statement="no message is abandoned",
        why="It was published again and still not completed: nothing retries it, and the customer waits.",
        fix=REDRIVE,
        probe=_none(
            RowProblem.ABANDONED,
            "abandoned message",
            "abandoned messages",
            advice="fix the cause, then redrive their dead letters, or publish the rows again",
        ),
    ),
    check(
        code="B2B085",
        statement="no message is overdue for the stale processor",
        why="It should have been taken up minutes ago: the stale processor does not run, does not keep up, or cannot read the metrics.",
        fix=RUN_STALE,
        probe=_none(
            RowProblem.OVERDUE,
            "message overdue for the stale processor",
            "messages overdue for the stale processor",
            advice="nobody works on them",
            may_change=True,
        ),
    ),
    check(
        code="B2B100",
        statement="no message has failed for good",
        why="Lambda's tries are over and it is a dead letter, as a rule; the stale processor publishes it once more.",
        fix=REDRIVE,
        probe=_none(
            RowProblem.FAILED,
            "message failed for good",
            "messages failed for good",
            advice="fix the cause, then redrive their dead letters",
        ),
        severity=Severity.WARNING,
    ),
    check(
        code="B2B115",
        statement="this version knows the status of every row",
        why="Nothing processes a row that another version wrote: no retry, no stale processor.",
        fix=our_command("submissions", "stuck"),
        probe=_none(
            RowProblem.UNREADABLE,
            "message with a status that this version does not know",
            "messages with a status that this version does not know",
            advice="deploy the version that wrote it again, or publish the row again",
        ),
        severity=Severity.WARNING,
    ),
    check(
        code="B2B101",
        statement="no run died with its message",
        why="Lambda's retry or the stale processor takes it over; many of them mean timeouts or too little memory.",
        probe=_none(
            RowProblem.INTERRUPTED,
            "message whose run died",
            "messages whose runs died",
            advice="it is taken over by itself",
            may_change=True,
        ),
        severity=Severity.WARNING,
    ),
    check(
        code="B2B102",
        statement="every reply is known to be sent or not sent",
        why="An unknown reply is never sent again automatically: the customer may be waiting for it.",
        probe=_none(
            RowProblem.REPLY_UNKNOWN,
            "message whose reply nobody knows to be sent or not",
            "messages whose replies nobody knows to be sent or not",
            advice="look into Twilio's message log whether they went out",
        ),
        severity=Severity.WARNING,
    ),
)
