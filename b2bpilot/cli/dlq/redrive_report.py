"""What `dlq redrive` shows: the plan before, the summary after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from b2bpilot.advice import Words, our_command
from b2bpilot.cli.dlq import owner_view
from b2bpilot.cli.dlq.discarded_view import discarded_lines
from b2bpilot.cli.dlq.options import dead_letters
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.frame.settings import Format
from b2bpilot.cli.output import Row, of_state
from b2bpilot.ops.dead_letters.causes import Cause
from b2bpilot.ops.dead_letters.decision import Decision, asked_of
from b2bpilot.ops.dead_letters.sweep import unseen_fields, unseen_in_short, unseen_sentence
from b2bpilot.ops.redrive.deletion import in_words
from b2bpilot.ops.redrive.options import RedriveOptions
from b2bpilot.ops.redrive.plan import Plan
from b2bpilot.ops.redrive.run import Redrive, told_of_too_many_attributes
from b2bpilot.ops.redrive.stages import last_stage
from b2bpilot.ops.redrive.summary import Summary, Unfinished
from b2bpilot.ops.table.row_state import Asked, discarded_in
from b2bpilot.plural import many

SHOWN = 20
"""So many unfinished messages are listed; all of them are in the journal."""

PLACES = {True: "in the queue", False: "sent, out of the queue", None: "not seen"}
UNPROVEN = "so nothing is removed on a row's word, and nothing is called stored"
EXPLAINED = {
    "send": "send",
    "second": "remove, when another of its message that is sent has completed the row",
    "remove": "only remove: it is completed",
    "set aside": "leave: sent 3 times already, and failed (--include-poison)",
    "in progress": "leave: a lease on it holds: a run is at work on it, or died a moment ago",
    "discarded": "leave: a person discarded its message",
    "unreadable": "leave: it cannot be read",
    "somebody else's": "leave: it is for another subscriber",
    "subscription gone": "leave: it names a subscription that no longer exists",
    "owner unknown": "leave: nobody can tell whose it is",
}


def show_plan(pilot: Pilot, plan: Plan, run: Redrive) -> None:
    discarded = _discarded(plan, run)
    fields = _plan_fields(pilot, plan, run) | {
        "discarded": {run_id: len(ids) for run_id, ids in discarded.items()}
    }
    text = _plan_text(pilot, run) if plan.items else [_none(plan)]
    pilot.output.record({"plan": fields}, text=[])
    pilot.output.lines(text)
    pilot.output.rows("planned", _plan_rows(plan, has_rows=run.table.proof.is_asked))
    if run.options.frozen is not None:
        _show_gone(pilot, run.options.frozen.gone(item.dead_letter.queue_message_id for item in plan.items))
    for line in _plan_notices(plan, run, discarded):
        pilot.output.notice(line)


def _discarded(plan: Plan, run: Redrive) -> Mapping[str, Sequence[str]]:
    """Whose messages of its dead letters each run discarded, as their rows say."""
    found = (asked_of(dead_letter) for dead_letter in plan.dead_letters(Decision.DISCARDED))
    return discarded_in(run.table, found)


def _plan_fields(pilot: Pilot, plan: Plan, run: Redrive) -> dict[str, object]:
    cause = _cause(run.options)
    return {
        "environment": pilot.environment.name,
        "subscriber": pilot.environment.subscriber,
        "account_id": pilot.environment.stack.account_id,
        "via": run.options.via.value,
        "database": run.table.proof.fields(),
        "cause": list(cause) if cause else None,
        "saw": plan.saw,
        "more": plan.has_more,
        "decisions": {decision.value: count for decision, count in plan.by_decision().items()},
        "left_alone": {decision.value: count for decision, count in plan.passed.items()},
        "owners": owner_view.fields(plan.owners()),
        "too_many_attributes": run.too_many_attributes(plan),
        **unseen_fields(plan.unseen),
        "adopted": sorted(run.options.adopted),
    }


def _cause(options: RedriveOptions) -> Cause | None:
    return options.filters.cause if options.filters else None


def _plan_text(pilot: Pilot, run: Redrive) -> list[str]:
    options, route, database = run.options, run.route, run.table.proof
    proof = options.wait if database.is_proven else timedelta()
    last = last_stage(route, wait=proof, max_failures=options.max_failures)
    limits = run.pace.limits
    pace = f"at most {many(limits.concurrency, 'call')} at once"
    if limits.rate:
        pace += f" and {limits.rate:g} {'dead letter' if limits.rate == 1 else 'dead letters'} a second"
    cause = _cause(options)
    return [
        f"Redrive of dead letters of {pilot.environment}",
        *([f"  only {cause.kind.value}: {cause.text}"] if cause else []),
        f"  route {route.via.value}: {route.does}; {in_words(route, options.wait, is_proven=database.is_proven)}",
        f"  {database.told()}",
        *([] if database.is_proven or not database.is_asked else [f"  {UNPROVEN}"]),
        f"  {pace}; {last}",
        "",
    ]


def _explained(decision: Decision, *, has_rows: bool) -> str:
    if decision is Decision.REMOVE and not has_rows:
        return "only remove: this run sent it before"
    return EXPLAINED[decision]


def _plan_rows(plan: Plan, *, has_rows: bool = True) -> list[Row]:
    return [
        Row(
            fields={"decision": decision.value, "failure": kind, "database": row_state, "count": count},
            columns={
                "dead letters": f"{count:,}",
                "failure": kind,
                "database": of_state(row_state),
                "what is done": _explained(decision, has_rows=has_rows),
            },
        )
        for (decision, kind, row_state), count in plan.summary()
    ]


def _plan_notices(plan: Plan, run: Redrive, discarded: Mapping[str, Sequence[str]]) -> Iterator[Words]:
    """What the plan leaves alone, and what it did not see."""
    yield from discarded_lines(discarded)
    yield from owner_view.lines(plan.owners())
    if too_many := run.too_many_attributes(plan):
        yield told_of_too_many_attributes(too_many)
    for decision, count in plan.passed.most_common():
        yield f"{count:,} more: {_explained(decision, has_rows=run.table.proof.is_asked)}"
    if plan.unseen.total:
        yield unseen_sentence(plan.unseen)
    if plan.has_more and run.options.frozen is None and run.options.most > plan.acting:
        yield "There are more: this is the plan of the first ones; the rest follows under the same rules."


def _none(plan: Plan) -> str:
    return "None of those that were looked at matches." if plan.unseen.total else "No dead letter matches."


def _show_gone(pilot: Pilot, messages: list[Asked]) -> None:
    """A plan that was frozen a while ago may name dead letters that somebody has taken care of since."""
    if gone := [message.message_id for message in messages]:
        shown = ", ".join(gone[:SHOWN]) + (", ..." if len(gone) > SHOWN else "")
        pilot.output.record(
            {"gone": gone},
            text=[f"Of the plan, gone from the queue or hidden by somebody: {len(gone):,}: {shown}"],
        )


def show_summary(pilot: Pilot, run_id: str, summary: Summary) -> None:
    fields = {
        "run_id": run_id,
        **summary.counts(),
        "unseen": summary.unseen,
        "stopped": summary.stopped,
        "has_more": summary.has_more,
    }
    pilot.output.record({"summary": fields}, text=[])
    pilot.output.lines(["", *told(summary)])
    shown = summary.unfinished if pilot.output.format is not Format.TABLE else summary.unfinished[:SHOWN]
    pilot.output.rows("unfinished", [_unfinished_row(one) for one in shown])
    if len(shown) < len(summary.unfinished):
        pilot.output.notice(
            f"{len(summary.unfinished) - len(shown):,} more: " + our_command("runs", "show", run_id)
        )


def told(summary: Summary) -> list[str]:
    """Return what became of the dead letters, a line each."""
    lines = _by_answers(summary) if summary.is_by_answers else []
    if summary.completed or summary.rows_asked:
        whose = "whose message is completed, as its row says"
        several = "whose messages are completed, as their rows say"
        lines.append(f"{dead_letters(summary.completed)} {whose if summary.completed == 1 else several}")
    if summary.processed and not summary.is_by_answers:
        lines.append(f"{dead_letters(summary.processed)} processed, as the function said; no row was asked")
    if summary.removed:
        before = "sent" if summary.is_by_answers else "completed"
        were = f"was {before} before and is" if summary.removed == 1 else f"were {before} before and are"
        lines.append(f"{dead_letters(summary.removed)} {were} only removed from the queue")
    if summary.set_aside:
        lines.append(f"{dead_letters(summary.set_aside)} left in the queue, as planned")
    if summary.others:
        lines.append(f"{dead_letters(summary.others)} of other subscribers left in the queue")
    if summary.not_sent:
        lines.append(
            f"{dead_letters(summary.not_sent)} not sent: a stage had too many failures. They are still in the queue"
        )
    if summary.has_more:
        lines.append(
            "it stopped before it came to all dead letters: the others are in the queue as they were"
        )
    if summary.unseen:
        lines.append(unseen_in_short(summary.unseen))
    if summary.unfinished:
        known = "not completed" if summary.rows_asked else "not known to be completed"
        known = "not processed, or not known to be" if summary.is_by_answers else known
        lines.append(f"{dead_letters(len(summary.unfinished))} {known}:")
    return lines


def _by_answers(summary: Summary) -> list[str]:
    lines = []
    if summary.processed or not (summary.returned or summary.accepted):
        lines.append(f"{dead_letters(summary.processed)} processed, as the function said")
    if summary.returned:
        lines.append(
            f"{dead_letters(summary.returned)} taken by the function, which returned without an error and said no more"
        )
    if summary.accepted:
        lines.append(
            f"{dead_letters(summary.accepted)} accepted by AWS: what fails again comes back, and no more is known here"
        )
    return lines


def _unfinished_row(one: Unfinished) -> Row:
    place = PLACES[one.in_queue]
    return Row(
        fields={
            "message_id": one.message_id,
            "queue_message_id": one.queue_message_id,
            "reason": one.reason,
            "in_queue": one.in_queue,
        },
        columns={"message id": one.message_id or "-", "where": place, "why": one.reason},
    )
