"""Whether Lambda runs a failed message again: told from its runs, each event by itself, and from nothing else.

Lambda repeats the event of a delivery, which is asynchronous, until it returns or has had its runs. A synchronous run, which a
redrive by invoke is, is not repeated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from b2bpilot.advice import Words, our_command
from b2bpilot.ops.inspect import attempts as runs
from b2bpilot.ops.inspect.evidence import INVOKE, MessageEvidence
from b2bpilot.ops.retries import Retries
from b2bpilot.pipeline.models import UserSubmission
from b2bpilot.plural import many

LATE = timedelta(seconds=30)
"""Lambda begins a run about when it is due."""
SUCCESS = "success"


class Retry(IntEnum):
    """What is known of Lambda's next run; of several events the last of these counts."""

    OVER = 1
    """It comes no more."""
    UNKNOWN = 2
    DUE = 3
    """It is due, and an event from SNS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """`why` says what the word rests on, or what is not known; `tells` is a command that would tell more."""

    retry: Retry
    why: str
    tells: Words | None = None
    had_all_runs: bool = False
    """Whether an event had all the runs that Lambda gives one: then there should be a dead letter."""


def outlook(evidence: MessageEvidence, row: UserSubmission) -> Outlook:
    """Say whether Lambda runs a failed message again of which no dead letter was seen."""
    found = _of_runs(evidence, row)
    is_of_another = found.retry is Retry.DUE and len(_events(evidence.attempts)) > 1
    if (run_id := evidence.discarded_in) and not is_of_another:
        why = f"a dead letter of it was discarded in run {run_id}, so that Lambda is done with that delivery, and the row does not say so"
        return Outlook(
            retry=Retry.OVER, why=why, tells=our_command("runs", "resume", run_id) + "   (marks the row)"
        )
    return found


def _of_runs(evidence: MessageEvidence, row: UserSubmission) -> Outlook:
    if not evidence.knows_all_runs:
        return _not_known("nobody could read all of the processor's log")
    claims = sum(run.has_claimed for run in evidence.attempts)
    if claims < row.attempts:
        missing = many(row.attempts - claims, "attempt")
        return _not_known(f"the log does not show {missing} of those that the row counts")
    found = [_of_event(event, evidence) for event in _events(evidence.attempts)]
    if unseen := evidence.unseen_deliveries:
        found.append(_not_known(f"SNS accepted it as {unseen[0]}, and no run of that is in the log"))
    return max(found, key=lambda one: one.retry, default=_not_known("no run of it is in the log"))


def _events(attempts: Iterable[runs.ProcessorRun]) -> list[Sequence[runs.ProcessorRun]]:
    """Return the runs by Lambda's request, which its own retries keep; newest request last."""
    events: dict[str | None, list[runs.ProcessorRun]] = {}
    for run in attempts:
        events.setdefault(run.request_id, []).append(run)
    return list(events.values())


def _of_event(event: Sequence[runs.ProcessorRun], evidence: MessageEvidence) -> Outlook:
    last = event[-1]
    if last.status == SUCCESS:
        return Outlook(retry=Retry.OVER, why="the last run of it returned")
    if last.status is None:
        return _not_known(f"the end of its run in request {last.request_id} is not in the log")
    retries = evidence.retries
    if redrives := sorted(frozenset().union(*(run.ids("redrive_run_id") for run in event))):
        return _of_redrive(event, redrives[-1], retries, evidence.routes)
    is_sns_s = bool(frozenset().union(*(run.ids("sns_message_id") for run in event)) & evidence.accepted_ids)
    return _of_asynchronous(event, retries, is_certain=is_sns_s, now=evidence.now)


def _of_redrive(
    event: Sequence[runs.ProcessorRun], run_id: str, retries: Retries, routes: Mapping[str, str | None]
) -> Outlook:
    route = routes.get(run_id)
    if route == INVOKE:
        why = f"its last run was redrive {run_id}'s, a synchronous one, which Lambda does not repeat"
        return Outlook(retry=Retry.OVER, why=why)
    if len(event) >= retries.at_most:
        return _used_up(event)
    if route is None:
        why = f"redrive {run_id} ran it, and whether that was a synchronous run, which Lambda does not repeat, no journal here says"
        return _not_known(why, tells=our_command("runs", "show", run_id) + "   (on the machine that made it)")
    return _not_known(
        f"redrive {run_id} sent it with --via {route}, and the run after that was one of {retries.at_most} at most"
    )


def _of_asynchronous(
    event: Sequence[runs.ProcessorRun], retries: Retries, *, is_certain: bool, now: datetime
) -> Outlook:
    if len(event) >= retries.at_most:
        return _used_up(event)
    due = retries.next_run(failed=len(event), ended_at=ended_at(event[-1]), began_at=event[0].began_at)
    if due is None:
        return Outlook(retry=Retry.OVER, why="Lambda gives up on it: it is too old for another run")
    at = f"{due:%H:%M:%S} UTC"
    if now > due + LATE:
        why = f"a run that was due at {at} is not in the log: Lambda is throttled, or the last run was a synchronous one, which it does not repeat"
        return _not_known(why, tells=our_command("status"))
    if retries.runs is None:
        return _not_known("how often Lambda repeats a run could not be asked")
    if not is_certain:
        why = f"an asynchronous run it repeats at about {at}, a synchronous one (an invoke) never, and nothing says which this was"
        return _not_known(why)
    of = f"run {len(event) + 1} of {retries.at_most}"
    return Outlook(retry=Retry.DUE, why=f"Lambda's next run of it is due at about {at} ({of})")


def ended_at(run: runs.ProcessorRun) -> datetime:
    return run.began_at + timedelta(milliseconds=run.milliseconds or 0)


def _used_up(event: Sequence[runs.ProcessorRun]) -> Outlook:
    why = f"Lambda ran it {many(len(event), 'time')}, and does not again"
    return Outlook(retry=Retry.OVER, why=why, had_all_runs=True)


def _not_known(why: str, *, tells: Words | None = None) -> Outlook:
    return Outlook(retry=Retry.UNKNOWN, why=f"whether Lambda runs it again is not known: {why}", tells=tells)
