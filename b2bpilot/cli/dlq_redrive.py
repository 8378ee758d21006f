"""`b2bpilot dlq redrive`."""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot.cli.context import Pilot, pilot_of
from b2bpilot.cli.dlq_progress import RedriveDisplay
from b2bpilot.cli.dlq_remote import redrive_inside_aws
from b2bpilot.cli.dlq_run import new_run, resumed_run
from b2bpilot.cli.dlq_selection import selection_of
from b2bpilot.cli.durations import parse_duration
from b2bpilot.cli.output import Row
from b2bpilot.cli.runs import RESUMERS
from b2bpilot.cli.settings import Format
from b2bpilot.errors import UsageError

if TYPE_CHECKING:
    from b2bpilot.ops.deadletters.plan import Plan
    from b2bpilot.ops.deadletters.redrive import Redrive
    from b2bpilot.ops.deadletters.redriving import Order
    from b2bpilot.ops.deadletters.summary import Summary, Unfinished
    from b2bpilot.ops.deadletters.taking import Taken
    from b2bpilot.ops.runs.journal import Journal
    from b2bpilot.ops.runs.record import RunRecord

SHOWN = 20
"""So many unfinished messages are listed; all of them are in the journal."""


EXPLAINED = {
    "send": "send",
    "remove": "only remove: it is completed",
    "set aside": "leave: redriven 3 times already (--include-poison)",
    "in progress": "leave: a run is processing it",
    "unreadable": "leave: it cannot be read",
}


RESUMERS["redrive"] = lambda pilot, record, *, yes: resume(pilot, record, yes=yes)


class Engine(StrEnum):
    TERMINAL = "terminal"
    LAMBDA = "lambda"


class Via(StrEnum):
    INVOKE = "invoke"
    ASYNC = "async"
    TOPIC = "topic"


def redrive(
    ctx: typer.Context,
    *,
    via: Annotated[
        Via, typer.Option(help="How: invoke, async or topic.", metavar="ROUTE", show_default=True)
    ] = Via.INVOKE,
    engine: Annotated[
        Engine,
        typer.Option(
            help="Who does it: terminal, or lambda for a big backlog.", metavar="ENGINE", show_default=True
        ),
    ] = Engine.TERMINAL,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
    plan_file: Annotated[
        Path | None,
        typer.Option(
            "--plan",
            help="Write the plan to FILE and stop; if FILE exists, send exactly what it names.",
            metavar="FILE",
        ),
    ] = None,
    include_completed: Annotated[
        bool, typer.Option("--include-completed", help="Send also what the database has completed.")
    ] = False,
    include_poison: Annotated[
        bool, typer.Option("--include-poison", help="Send also what came back three times.")
    ] = False,
    max_failures: Annotated[
        str,
        typer.Option(help="Stop after a stage in which more failed.", metavar="PERCENT", show_default=True),
    ] = "20%",
    rate: Annotated[
        float | None, typer.Option(min=0.01, help="At most so many a second.", metavar="N")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=32, help="At most so many calls at once.", metavar="N")
    ] = None,
    wait: Annotated[
        str,
        typer.Option(help="How long to look at the rows for the proof; 0s looks once.", metavar="DURATION"),
    ] = "60s",
    force: Annotated[bool, typer.Option("--force", help="Take more than 1,000 letters.")] = False,
    reason: Annotated[
        str | None, typer.Option(help="Why; it is recorded in the run's journal.", metavar="TEXT")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Send dead letters back to the processor, and prove by the rows what became of each.

    What is already completed is only removed. Letters go in stages of 1, 5, 20, 100 and 500; a stage with too many failures is the
    last. Exit code 0: all completed; 4: some are not, and where they are.

    Example: b2bpilot dlq redrive -e prod --group G1 --reason "constraint dropped"
    """
    from b2bpilot.ops.deadletters import redriving
    from b2bpilot.ops.deadletters.late_database import LateDatabase

    pilot = pilot_of(ctx)
    selection = selection_of(ctx, now=pilot.now())
    failures = parse_percent(max_failures, "--max-failures")
    if rate is not None and not math.isfinite(rate):
        raise UsageError(f"--rate: {rate:g} is not a number of letters per second")
    if engine is Engine.LAMBDA:
        unused = {"--via": via is not Via.INVOKE, "--rate": rate, "--plan": plan_file}
        unused |= {"--include-completed": include_completed, "--include-poison": include_poison}
        if given := [option for option, value in unused.items() if value]:
            raise UsageError(f"{given[0]} has no meaning with --engine lambda", hint="leave it out")
        redrive_inside_aws(
            pilot,
            selection,
            concurrency=concurrency,
            max_failures=failures,
            dry_run=dry_run,
            reason=reason,
            yes=yes,
        )
        return
    order = redriving.order_of(
        pilot.environment,
        via=via.value,
        selection=selection,
        plan_file=plan_file,
        include_completed=include_completed,
        include_poison=include_poison,
        max_failures=failures,
        rate=rate,
        concurrency=concurrency,
        wait=parse_duration(wait, "--wait", may_be_zero=True),
        force=force,
        now=pilot.now(),
    )
    with (
        LateDatabase(pilot.database) as database,
        redriving.prepare(pilot.environment, database, order) as run,
    ):
        with pilot.output.progress("reading the queue"):
            taken, plan = run.take()
        redriving.check_taken(taken, order)
        _show_plan(pilot, order, taken, plan)
        if dry_run or not plan.acts or _froze(pilot, plan, plan_file):
            return
        pilot.confirmation(yes=yes).ask([""], "Go on?")
        with new_run(pilot, redriving.COMMAND, reason=reason, parameters=order.parameters()) as journal:
            summary = _run(pilot, run, (taken, plan), journal)
            journal.finish(summary.counts())
    _show_summary(pilot, journal.run_id, summary)
    redriving.require_everything_completed(summary)


def resume(pilot: Pilot, record: RunRecord, *, yes: bool) -> None:
    """Finish an interrupted redrive: `b2bpilot runs resume`."""
    from b2bpilot.ops.deadletters import redriving
    from b2bpilot.ops.deadletters.late_database import LateDatabase

    with LateDatabase(pilot.database) as database:
        order, run = redriving.prepare_resume(pilot.environment, database, record, now=pilot.now())
        with run:
            with pilot.output.progress("reading the queue"):
                taken, plan = run.take()
            _show_plan(pilot, order, taken, plan)
            if plan.acts:
                pilot.confirmation(yes=yes).ask([""], "Go on?")
            with resumed_run(pilot, record) as journal:
                summary = _run(pilot, run, (taken, plan), journal)
                summary += run.prove_earlier(
                    redriving.settled_elsewhere(record, taken), since=record.started_at
                )
                journal.finish(summary.counts())
    _show_summary(pilot, journal.run_id, summary)
    redriving.require_everything_completed(summary)


def _show_plan(pilot: Pilot, order: Order, taken: Taken, plan: Plan) -> None:
    from b2bpilot.ops.deadletters.redriving import CONSEQUENCES

    limits, rules = order.request.limits, order.request.rules
    fields = {
        "environment": pilot.environment.name,
        "account_id": pilot.environment.stack.account_id,
        "via": order.via.value,
        "saw": taken.saw,
        "more": taken.more,
        "decisions": {decision.value: count for decision, count in plan.by_decision().items()},
    }
    pace = f"at most {limits.concurrency} calls at once"
    pace += f" and {limits.rate:g} letters a second" if limits.rate else ""
    text = [
        f"Redrive of dead letters of {pilot.environment}",
        f"  route {order.via.value}: {CONSEQUENCES[order.via]}",
        f"  {pace}; a stage with more than {rules.max_failures:.0%} failures is the last",
        "",
    ]
    pilot.output.record({"plan": fields}, text=text if plan.items else ["No dead letter matches."])
    rows = [
        Row(
            fields={"decision": decision.value, "failure": kind, "database": state, "count": count},
            columns={
                "letters": f"{count:,}",
                "failure": kind,
                "database": state,
                "what is done": EXPLAINED[decision],
            },
        )
        for (decision, kind, state), count in plan.summary()
    ]
    pilot.output.rows("planned", rows)
    if order.frozen is not None:
        _show_gone(pilot, order.frozen.gone(item.letter.queue_message_id for item in plan.items))
    if taken.more and order.force:
        pilot.output.notice(
            "There are more: this is the plan of the first ones; the rest follows under the same rules."
        )


def _show_gone(pilot: Pilot, gone: list[str]) -> None:
    """A plan that was frozen a while ago may name letters that somebody has taken care of since."""
    if gone:
        shown = ", ".join(gone[:SHOWN]) + (", ..." if len(gone) > SHOWN else "")
        pilot.output.record(
            {"gone": gone}, text=[f"{len(gone):,} of the plan are gone from the queue: {shown}"]
        )


def _froze(pilot: Pilot, plan: Plan, plan_file: Path | None) -> bool:
    """Write the plan where a file was named that does not exist yet."""
    from b2bpilot.ops.deadletters.frozen import freeze

    if plan_file is None or plan_file.exists():
        return False
    stack = pilot.environment.stack
    frozen = freeze(
        plan,
        plan_file,
        environment=pilot.environment.name,
        queue_url=stack.dead_letter_queue_url,
        now=pilot.now(),
    )
    pilot.output.record(
        {"frozen": {"file": str(plan_file), "letters": len(frozen.letters)}},
        text=["", f"Wrote the plan of {len(frozen.letters):,} letters to {plan_file}. Nothing was sent."],
    )
    return True


def _run(pilot: Pilot, run: Redrive, first: tuple[Taken, Plan], journal: Journal) -> Summary:
    with pilot.output.progress("sending") as tell:
        display = RedriveDisplay(
            tell, total=len(first[1].items), pace=run.pace, live=pilot.output.stderr.isatty()
        )
        return run.run_all(first, journal, display.watch())


def _show_summary(pilot: Pilot, run_id: str, summary: Summary) -> None:
    fields = {"run_id": run_id, **summary.counts(), "stopped": summary.stopped}
    pilot.output.record({"summary": fields}, text=["", *_told(summary)])
    shown = summary.unfinished if pilot.output.format is not Format.TABLE else summary.unfinished[:SHOWN]
    pilot.output.rows("unfinished", [_unfinished_row(one) for one in shown])
    if len(shown) < len(summary.unfinished):
        pilot.output.notice(f"{len(summary.unfinished) - len(shown):,} more: b2bpilot runs show {run_id}")


def _told(summary: Summary) -> list[str]:
    told = [f"{summary.completed:,} completed, as their rows say"]
    if summary.removed:
        told.append(f"{summary.removed:,} were completed before and are only removed from the queue")
    if summary.set_aside:
        told.append(f"{summary.set_aside:,} left in the queue, as planned")
    if summary.not_sent:
        told.append(
            f"{summary.not_sent:,} not sent: a stage had too many failures. They are still in the queue"
        )
    if summary.unfinished:
        told.append(f"{len(summary.unfinished):,} not completed:")
    return told


def _unfinished_row(one: Unfinished) -> Row:
    place = "in the queue" if one.in_queue else "sent, out of the queue"
    return Row(
        fields={
            "message_id": one.message_id,
            "queue_message_id": one.queue_message_id,
            "reason": one.reason,
            "in_queue": one.in_queue,
        },
        columns={"message id": one.message_id or "-", "where": place, "why": one.reason},
    )


def parse_percent(text: str, option: str) -> float:
    """Return `20%` or `20` as 0.2. Raises UsageError."""
    try:
        percent = float(text.strip().removesuffix("%"))
    except ValueError as exc:
        raise UsageError(f"{option}: {text!r} is not a percentage") from exc
    if not 0 <= percent <= 100:  # noqa: PLR2004
        raise UsageError(f"{option}: {text!r} is not between 0 and 100 percent")
    return percent / 100
