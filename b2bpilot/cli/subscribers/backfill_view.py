"""The plan of a backfill, and its end, as they are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from b2bpilot.advice import our_command
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.pipeline.message import format_time
from b2bpilot.plural import many

if TYPE_CHECKING:
    from b2bpilot.ops.backfill.plan import BackfillPlan
    from b2bpilot.ops.publish.sending import Dispatch
    from b2bpilot.ops.runs.record import RunRecord
    from b2bpilot.ops.subscribers.discovery import Subscriber
    from b2bpilot.ops.table.database_proof import DatabaseProof

ARRIVES = {
    "function": "Its function is invoked asynchronously, as SNS does it",
    "queue": "They go into its queue, as SNS sends them",
}
MOST_DAYS = 10
FATES = {
    "accepted before": "delivered before, by this run",
    "filtered out": "rejected by its filter policy",
    "filter unknown": "not sent: whether its filter policy accepts them cannot be told from here",
    "not selected": "left out by --where",
    "no message_id": "cannot be rebuilt: no message_id",
    "no parameters": "cannot be rebuilt: no parameters",
    "discarded": "left out: discarded by a person",
    "unreadable": "cannot be rebuilt: unreadable",
}


def show_plan(
    pilot: Pilot,
    plan: BackfillPlan | None,
    subscriber: Subscriber,
    *,
    proof: DatabaseProof,
    dry_run: bool,
) -> None:
    """None: the period has no rows."""
    fates = Counter({fate.value: count for fate, count in plan.fates.items()} if plan else {})
    document = {
        "environment": pilot.environment.name,
        "account_id": pilot.environment.stack.account_id,
        "subscriber": subscriber.name,
        "subscription": subscriber.subscription.arn,
        "database": proof.fields(),
        "rows": plan.looked_at if plan else 0,
        "messages": plan.to_send if plan else 0,
        "tests": plan.tests if plan else 0,
        "perhaps_before": plan.perhaps_before if plan else 0,
        "is_limited": plan.is_limited if plan else False,
        "left": {name.replace(" ", "_"): fates[name] for name in FATES},
        "days": {day.isoformat(): count for day, count in sorted(plan.days.items())} if plan else {},
        "dry_run": dry_run,
    }
    pilot.output.record({"plan": document}, text=())
    for line in _told(pilot, plan, subscriber, fates):
        pilot.output.notice(line)
    pilot.output.notice(proof.told())


def _told(
    pilot: Pilot, plan: BackfillPlan | None, subscriber: Subscriber, fates: Counter[str]
) -> Iterator[str]:
    if plan is None:
        yield "There is nothing to send: no rows were created in that period."
        return
    if plan.to_send:
        yield f"Send {many(plan.to_send, 'message')} to subscriber {subscriber.name}, and to nobody else:"
        yield f"  {pilot.environment}"
        yield f"  {many(plan.looked_at, 'row')} looked at, created {_period(plan)}"
    else:
        yield f"There is nothing to send: {many(plan.looked_at, 'row')} looked at, created {_period(plan)}"
    yield from (f"  {fates[name]:,} {words}" for name, words in FATES.items() if fates[name])
    if plan.is_limited:
        yield "  Rows after these were not looked at: --limit."
    if plan.to_send:
        yield from _of_the_sent(plan, subscriber)


def _of_the_sent(plan: BackfillPlan, subscriber: Subscriber) -> Iterator[str]:
    if 1 < len(plan.days) <= MOST_DAYS:
        yield f"  by day (UTC): {', '.join(f'{day} {count:,}' for day, count in sorted(plan.days.items()))}"
    if plan.tests:
        yield f"  {many(plan.tests, 'of them is a test message', 'of them are test messages')}."
    if plan.perhaps_before:
        was, again = ("was", "it is") if plan.perhaps_before == 1 else ("were", "they are")
        yield (
            f"  {plan.perhaps_before:,} {was} perhaps delivered before, when the run was interrupted; "
            f"{again} sent again."
        )
    yield f"  {ARRIVES[subscriber.kind.value]}; {_given_up(subscriber)}."
    yield "  What it got before reaches it again, and is skipped only where its code tells a message by its id."
    yield from (f"  Not known of it: {error}" for error in subscriber.errors)


def _given_up(subscriber: Subscriber) -> str:
    if arn := subscriber.sender_dead_letter_queue_arn:
        return f"what fails there goes to {arn.rpartition(':')[2]}"
    if subscriber.errors:
        return "where what fails there goes is unknown"
    return "it names no dead-letter queue, so what fails there may be lost"


def _period(plan: BackfillPlan) -> str:
    since, until = plan.rows.since, plan.rows.until
    return f"since {format_time(since)}" + (f" and before {format_time(until)}" if until else "")


def tell_of_another_filter(pilot: Pilot, subscriber: Subscriber, record: RunRecord) -> None:
    """What the journal masked cannot be compared."""
    from b2bpilot.ops.dead_letters.filters import MASKED

    before, now = record.parameters.get("filter_policy"), subscriber.subscription.filter_policy
    if before != now and not MASKED.search(str(before)):
        pilot.output.notice(
            f"Its filter policy was changed since the run began: it was {before or 'none'}, and is {now or 'none'}."
        )


def show_end(
    pilot: Pilot, run_id: str, subscriber: Subscriber, plan: BackfillPlan, dispatch: Dispatch
) -> None:
    counts = dispatch.counts()
    changed = plan.to_send + dispatch.earlier - dispatch.total
    fields = {
        "run_id": run_id,
        "environment": pilot.environment.name,
        "subscriber": subscriber.name,
        "messages": dispatch.total,
        **counts,
        "accepted_earlier": dispatch.earlier,
        "changed_since_plan": changed,
        "seconds": round(dispatch.seconds, 3),
    }
    pilot.output.record({"backfilled": fields}, text=list(_ended(subscriber, dispatch, changed)))
    pilot.output.notice(
        "What became of them there, its own logs and dead letters tell: "
        + our_command("dlq", "list", "--subscriber", subscriber.name)
    )


def _ended(subscriber: Subscriber, dispatch: Dispatch, changed: int) -> Iterator[str]:
    counts = dispatch.counts()
    known = "are known to be" if counts["unknown"] else "were"
    yield (
        f"{counts['accepted']:,} of {many(dispatch.total, 'message')} {known} delivered to {subscriber.name}, "
        f"in {dispatch.seconds:.1f} s"
    )
    if dispatch.earlier:
        yield f"  {dispatch.earlier:,} of them before this attempt"
    if changed:
        yield f"  {many(changed, 'row')} more of the plan changed meanwhile, and {'was' if changed == 1 else 'were'} not sent"
    for name, words in (
        ("unknown", "perhaps delivered: no answer came, or none that says so"),
        ("failed", "certainly not delivered"),
        ("never_sent", "not sent"),
    ):
        if counts[name]:
            yield f"  {counts[name]:,} {words}"
    reasons = Counter(str(result.error) for result in dispatch.not_accepted if result.error)
    yield from (f"  {count:,} x {reason}" for reason, count in reasons.most_common(5))
