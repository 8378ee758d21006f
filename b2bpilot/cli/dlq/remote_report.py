"""What `dlq redrive --engine lambda` shows: the plan before, a line for each look, the summary after."""

from __future__ import annotations

from collections.abc import Iterator

from b2bpilot.advice import Words, our_command
from b2bpilot.cli.dlq import owner_view
from b2bpilot.cli.dlq.options import dead_letters
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.ops.redrive_in_aws.proof import Backlog, RedriveInAwsOutcome
from b2bpilot.ops.redrive_in_aws.watch import RunReading
from b2bpilot.ops.table.asked import Named
from b2bpilot.plural import many

SET_ASIDE = "unreadable, or redriven 3 times already"
INTERRUPTED = (
    "The redriver is turned off. Batches that it has taken already end within six minutes; what they do not complete is "
    "visible again ten seconds later."
)


def show_plan(
    pilot: Pilot, backlog: Backlog, database: Named, *, concurrency: int, max_failures: float
) -> None:
    fields = {
        "environment": pilot.environment.name,
        "account_id": pilot.environment.stack.account_id,
        "engine": "lambda",
        "concurrency": concurrency,
        "max_failures": max_failures,
        "decisions": {"send": len(backlog.messages), "left": backlog.set_aside},
        "owners": owner_view.fields(backlog.owners),
        "unseen": backlog.unseen,
        "database": database.fields(),
    }
    text = [*_planned(pilot, backlog, concurrency, max_failures), database.told()]
    pilot.output.record({"plan": fields}, text=[])
    pilot.output.lines(text)


def line(reading: RunReading) -> str:
    counters = reading.counters
    return f"redriver {reading.state.lower()}: about {counters.visible:,} in the queue, {counters.hidden:,} in work or resting"


def show_outcome(pilot: Pilot, run_id: str, ended: str, outcome: RedriveInAwsOutcome) -> None:
    why = ended or "the redriver was turned off"
    fields = {
        "run_id": run_id,
        "ended": why,
        **outcome.counts(),
        "completed": outcome.completed,
        "database": outcome.database.fields() if outcome.database else None,
        "database_error": outcome.database_error,
        "proven": outcome.is_everything_completed,
    }
    pilot.output.record({"summary": fields}, text=[])
    pilot.output.lines(["", f"Ended: {why}", *_told(outcome)])
    if not outcome.is_everything_completed:
        pilot.output.notice("Each dead letter: " + our_command("runs", "show", run_id))


def _planned(pilot: Pilot, backlog: Backlog, concurrency: int, max_failures: float) -> Iterator[Words]:
    if not backlog.messages and not backlog.set_aside:
        yield "No dead letter was seen." if backlog.unseen else "There is no dead letter."
    elif not backlog.messages:
        yield "There is no dead letter that a redrive can send."
    else:
        yield f"Let AWS redrive {dead_letters(len(backlog.messages))} of {pilot.environment}, {concurrency} at once"
        yield "  each is tried once: deleted is only what the processor completed, what fails stays in the queue"
        yield (
            f"  it ends when nothing is left to try or more than {max_failures:.0%} of ten or more tries failed, when the "
            "processor takes nothing for two minutes, and after six hours at the latest"
        )
    yield from owner_view.lines(backlog.owners)
    if (own := backlog.set_aside - backlog.others) > 0:
        yield f"{dead_letters(own)} left alone: {SET_ASIDE}"
    if backlog.unseen:
        yield (
            f"About {dead_letters(backlog.unseen)} more could not be looked at: in flight, delayed, or counted by mistake, as "
            "SQS's counters are approximate. What becomes visible is redriven, too"
        )


def _told(outcome: RedriveInAwsOutcome) -> Iterator[str]:
    counts = outcome.counts()
    if outcome.completed is None:
        yield f"What was completed is unknown: {outcome.database_error}"
    else:
        total = len(set(outcome.backlog.messages.values()))
        yield f"{outcome.completed:,} of {many(total, 'message')} completed, as their rows say"
    lines = {
        "failed_again": "{} failed again, still in the queue",
        "not_tried": "{} not tried, or without an answer; still in the queue",
        "discarded": "{} left in the queue: discarded by a person, as `dlq list` tells",
        "set_aside": "{} left in the queue: " + SET_ASIDE,
        "not_ours": "{} left in the queue: of other subscribers",
        "subscription_gone": "{} left in the queue: of subscriptions that no longer exist; --adopt takes them",
        "owner_unknown": "{} left in the queue: of an unknown owner",
        "missing": "{} neither completed nor seen in the queue",
        "hidden": "about {} in flight or delayed: not looked at",
        "later": "{} came during the run: not tried",
    }
    for name, text in lines.items():
        if counts[name]:
            unit = "message" if name == "missing" else "dead letter"
            yield text.format(many(counts[name], unit))
