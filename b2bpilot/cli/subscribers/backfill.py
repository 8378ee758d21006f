"""`b2bpilot subscribers backfill`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot.cli.frame import values
from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.options import DRY_RUN, WHEN, Concurrency, DryRun, Rate, Reason, Yes
from b2bpilot.cli.publish.progress import SendingDisplay
from b2bpilot.cli.runs.kind import RunKind
from b2bpilot.cli.runs.running import new_run, resumed_run
from b2bpilot.cli.subscribers import backfill_view
from b2bpilot.cli.text.durations import parse_period
from b2bpilot.errors import UsageError
from b2bpilot.plural import many

if TYPE_CHECKING:
    from b2bpilot.ops.backfill.plan import BackfillPlan
    from b2bpilot.ops.backfill.run import Backfill
    from b2bpilot.ops.publish.sending import Dispatch, Observe
    from b2bpilot.ops.runs.journal import Journal
    from b2bpilot.ops.runs.record import RunRecord
    from b2bpilot.ops.sending.pace import Pace
    from b2bpilot.ops.subscribers.discovery import Subscriber
    from b2bpilot.pipeline.database import DatabaseManager
    from b2bpilot.pipeline.history import Stretch

Since = Annotated[
    str, typer.Option(help=f"Only rows created since: {WHEN}. Required.", metavar="WHEN", show_default=False)
]
Until = Annotated[
    str | None, typer.Option("--until", help="Only rows created before this time.", metavar="WHEN")
]
Where = Annotated[
    str | None,
    typer.Option(
        "--where",
        help="Only messages for which this JMESPath expression is true; fields: message.*, params.*, row.*.",
        metavar="EXPR",
    ),
]
Most = Annotated[
    int | None, typer.Option("--limit", min=1, help="Maximum number to send, the oldest first.", metavar="N")
]


def backfill(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="A subscriber: short name, whole name or subscription ARN.",
            metavar="NAME",
            autocompletion=values.other_subscribers,
        ),
    ],
    *,
    since: Since,
    until: Until = None,
    where: Where = None,
    limit: Most = None,
    rate: Rate = None,
    concurrency: Concurrency = None,
    dry_run: DryRun = False,
    reason: Reason = None,
    yes: Yes = False,
) -> None:
    """Send messages from the table once more to one subscriber, through its filter policy and not over the topic.

    The processor and other subscribers get nothing. What a row cannot be made into is counted, by its reason. Exit code 4:
    not all are known to be delivered.

    Example: b2bpilot subscribers backfill analytics -e prod --since 7d --reason "new dashboard"
    """
    from b2bpilot.ops.backfill.options import BackfillOptions
    from b2bpilot.ops.backfill.rebuild import ROWS
    from b2bpilot.ops.backfill.run import COMMAND, Backfill
    from b2bpilot.ops.dead_letters.expression import Expression
    from b2bpilot.ops.table.database_proof import require_proven

    pilot = pilot_of(ctx)
    parse_period(since, until, now=pilot.machine())
    if where is not None and not where.strip():
        raise UsageError("--where is empty", hint="give it an expression, or leave the option out")
    options = BackfillOptions(
        where=Expression.parse(where, ROWS) if where else None,
        limit=limit,
        rate=rate,
        concurrency=concurrency,
    )
    subscriber = _subscriber(pilot, name)
    with pilot.table() as table:
        require_proven(table.proof, "nothing was sent")
        run = Backfill(database=table.database, subscriber=subscriber, options=options)
        rows = _rows(pilot, table.database, since, until)
        plan = _plan(pilot, run, rows) if rows else None
        backfill_view.show_plan(pilot, plan, subscriber, proof=table.proof, dry_run=dry_run)
        if dry_run:
            pilot.output.notice(DRY_RUN)
        if dry_run or plan is None or not plan.to_send:
            return
        pilot.confirmation(yes=yes).ask([], "Send them?")
        with new_run(pilot, COMMAND, reason=reason, parameters=_parameters(run, plan)) as journal:
            dispatch = _send(pilot, run, plan, journal)
    _show_end(pilot, journal.run_id, subscriber, plan, dispatch)


def resume(pilot: Pilot, record: RunRecord, *, yes: bool) -> None:
    """Send what is not known to be delivered: `b2bpilot runs resume`."""
    from b2bpilot.ops.backfill.options import BackfillOptions, stretch_from_journal
    from b2bpilot.ops.backfill.run import Backfill, require_whole_plan
    from b2bpilot.ops.table.database_proof import require_proven

    subscriber = _subscriber(pilot, str(record.parameters["subscription"]))
    options = BackfillOptions.from_journal(record.parameters)
    require_whole_plan(options, record)
    with pilot.table() as table:
        require_proven(table.proof, "nothing more was sent")
        run = Backfill(database=table.database, subscriber=subscriber, options=options, known=record.messages)
        plan = _plan(pilot, run, stretch_from_journal(record))
        backfill_view.show_plan(pilot, plan, subscriber, proof=table.proof, dry_run=False)
        backfill_view.tell_of_another_filter(pilot, subscriber, record)
        if not plan.to_send:
            _end(pilot, run, record)
            return
        pilot.confirmation(yes=yes).ask([], "Continue?")
        with resumed_run(pilot, record) as journal:
            dispatch = _send(pilot, run, plan, journal)
    _show_end(pilot, record.run_id, subscriber, plan, dispatch)


RUN = RunKind(
    typed="subscribers backfill",
    unit="messages",
    key=None,
    well="accepted",
    perhaps={"sending": "perhaps delivered", "unknown": "perhaps delivered"},
    words={"accepted": "delivered"},
    total="messages",
    resume="b2bpilot.cli.subscribers.backfill:resume",
)


def _subscriber(pilot: Pilot, name: str) -> Subscriber:
    from b2bpilot.ops.backfill.target import require_fillable

    found = pilot.subscriber_named(pilot.environment, name, said_as="NAME")
    require_fillable(found, pilot.environment)
    return found


def _rows(pilot: Pilot, database: DatabaseManager, since: str, until: str | None) -> Stretch | None:
    from b2bpilot.pipeline.history import stretch

    now = pilot.rows_now(database)
    begin, end = parse_period(since, until, now=now)
    assert begin is not None  # noqa: S101  # nosec B101  # --since is required
    if begin > now:
        raise UsageError(f"--since: {since!r} lies in the future", hint="no row can be as new as that")
    return stretch(database, since=begin, until=end)


def _plan(pilot: Pilot, run: Backfill, rows: Stretch) -> BackfillPlan:
    with pilot.output.progress("Reading the table") as tell:
        return run.plan(rows, observe=lambda looked_at: tell(f"Reading the table: {many(looked_at, 'row')}"))


def _parameters(run: Backfill, plan: BackfillPlan) -> dict[str, object]:
    from b2bpilot.ops.backfill.options import stretch_to_journal

    return {
        "subscriber": run.subscriber.name,
        "subscription": run.subscriber.subscription.arn,
        "filter_policy": run.subscriber.subscription.filter_policy,
        "messages": plan.to_send,
        **stretch_to_journal(plan.rows),
        **run.options.to_journal(),
    }


def _send(pilot: Pilot, run: Backfill, plan: BackfillPlan, journal: Journal) -> Dispatch:
    from b2bpilot.ops.backfill.routes import route_to

    route = route_to(pilot.environment, run.subscriber, run_id=journal.run_id)
    with pilot.output.progress(f"Sending {many(plan.to_send, 'message')}") as tell:

        def watch(pace: Pace) -> Observe:
            live = pilot.output.stderr.isatty()
            return SendingDisplay(tell, total=plan.to_send, pace=pace, live=live, doing="sending")

        dispatch = run.send(plan, route, journal, watch=watch)
    journal.finish(dispatch.counts())
    return dispatch


def _end(pilot: Pilot, run: Backfill, record: RunRecord) -> None:
    """A run that was killed after its last message has no end yet."""
    if record.counts is None:
        with resumed_run(pilot, record) as journal:
            journal.finish(run.so_far().counts())
    pilot.output.notice(f"Run {record.run_id} has nothing left to do.")


def _show_end(
    pilot: Pilot, run_id: str, subscriber: Subscriber, plan: BackfillPlan, dispatch: Dispatch
) -> None:
    from b2bpilot.ops.publish.run import require_all_accepted

    backfill_view.show_end(pilot, run_id, subscriber, plan, dispatch)
    require_all_accepted(dispatch, run_id, done="delivered")
