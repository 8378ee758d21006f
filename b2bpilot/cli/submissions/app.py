"""`b2bpilot submissions`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot.cli.frame.commands import PilotGroup
from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.options import DEFAULT_LIMIT, FOUND_SOMETHING, WHEN, Limit, Reveal, exit_code_if
from b2bpilot.cli.frame.settings import Format
from b2bpilot.cli.frame.table import CommandPath, group
from b2bpilot.cli.output import Row, pairs
from b2bpilot.cli.submissions import submission
from b2bpilot.cli.text.durations import parse_period, parse_since
from b2bpilot.errors import PilotError, UsageError
from b2bpilot.pipeline.models import SubmissionStatus

if TYPE_CHECKING:
    from b2bpilot.ops.retries import RetryFacts
    from b2bpilot.pipeline.database import DatabaseManager


app = group(
    typer.Typer(
        cls=PilotGroup,
        rich_markup_mode=None,
        help="List and show rows of the table, and publish them again.",
    ),
    {
        "list": CommandPath(f"{__name__}:list_", "List rows, newest first."),
        "stuck": CommandPath(f"{__name__}:stuck", "List rows that may need a person."),
        "show": CommandPath(f"{__name__}:show", "Show one row in full."),
        "republish": CommandPath(
            "b2bpilot.cli.submissions.republish:republish", "Publish rows again that were not completed."
        ),
    },
)

STATUSES = ", ".join(SubmissionStatus)
Since = Annotated[
    str | None,
    typer.Option(help=f"Only rows created since: {WHEN}.", metavar="WHEN"),
]
All = Annotated[bool, typer.Option("--all", help="List every row; -o jsonl streams them.")]


def list_(
    ctx: typer.Context,
    *,
    status: Annotated[
        SubmissionStatus | None,
        typer.Option(help=f"Only rows with this status: {STATUSES}.", metavar="STATUS"),
    ] = None,
    since: Since = None,
    until: Annotated[
        str | None, typer.Option(help="Only rows created before this time.", metavar="WHEN")
    ] = None,
    from_number: Annotated[
        str | None,
        typer.Option("--from", help="Only rows from this sender, such as +15005550006.", metavar="NUMBER"),
    ] = None,
    test: Annotated[
        bool | None, typer.Option("--test/--no-test", help="Only test messages, or only real ones.")
    ] = None,
    limit: Limit = None,
    all_: All = False,
    reveal: Reveal = False,
) -> None:
    """List submissions, newest first.

    Example: b2bpilot submissions list -e prod --status failed --since 2h
    """
    from b2bpilot.ops.submissions import Query, select

    pilot = pilot_of(ctx)
    wanted = _limit(limit, all_=all_)
    parse_period(since, until, now=pilot.machine())
    is_table = pilot.output.format is Format.TABLE
    with pilot.database() as database:
        now = pilot.rows_now(database)
        begin, end = parse_period(since, until, now=now)
        query = Query(
            status=status,
            since=begin,
            until=end,
            from_number=from_number,
            test=test,
            limit=wanted,
        )
        rows = (
            Row(
                fields=submission.fields(row, reveal=reveal),
                columns=submission.columns(row, reveal=reveal, now=now) if is_table else {},
            )
            for row in select(database, query)
        )
        count = pilot.output.rows("submissions", rows)
        _say_whose(pilot, database)
    if count == 0:
        pilot.output.notice("No submissions match.")
    elif count == wanted:
        pilot.output.notice(f"The newest {count}; there may be more: --limit N, or --all")


def stuck(
    ctx: typer.Context,
    *,
    since: Since = None,
    limit: Limit = None,
    all_: All = False,
    exit_code: Annotated[bool, exit_code_if("there are rows, except those that Lambda may retry")] = False,
    reveal: Reveal = False,
) -> None:
    """List rows that may need a person: failed, abandoned, stuck, or with an unknown reply.

    Whether a failed row will be retried is read from the dead-letter queue, this machine's journals and Lambda's settings.

    Example: b2bpilot submissions stuck -e prod
    """
    from b2bpilot.cli.submissions import stuck_view
    from b2bpilot.ops import submissions as operation
    from b2bpilot.ops.submissions import AttentionReason

    pilot = pilot_of(ctx)
    wanted = _limit(limit, all_=all_)
    _since(since, now=pilot.machine())
    view = stuck_view.StuckView(facts=lambda: _retry_facts(pilot), reveal=reveal)
    with pilot.database() as database:
        now = pilot.rows_now(database)
        found = operation.stuck(database, since=_since(since, now=now), limit=wanted)
        count = pilot.output.rows("submissions", (view.row(row, now=now) for row in found))
        _say_whose(pilot, database)
    view.tell(pilot.output)
    if count == wanted:
        pilot.output.notice(f"The newest {count}; there may be more: --limit N, or --all")
    if exit_code and view.problems.keys() - {AttentionReason.RETRY_POSSIBLE}:
        raise typer.Exit(FOUND_SOMETHING)


def _retry_facts(pilot: Pilot) -> RetryFacts:
    """A database can be listed without its environment: then nobody is asked, and that is said."""
    from b2bpilot.ops.retries import retry_facts, unknown_facts

    if pilot.settings.environment is None:
        return unknown_facts("no environment was named")
    try:
        with pilot.output.progress("Reading the dead-letter queue"):
            return retry_facts(pilot.environment, home=pilot.runs_home, now=pilot.now())
    except PilotError as exc:
        return unknown_facts(str(exc))


def show(
    ctx: typer.Context,
    message_id: Annotated[str, typer.Argument(help="A message_id or MessageSid.", metavar="MESSAGE_ID")],
    *,
    reveal: Reveal = False,
) -> None:
    """Show one row in full. `b2bpilot inspect` shows everything else about the message, too.

    Example: b2bpilot submissions show -e prod SM00000000000000000000000000000001
    """
    from b2bpilot.ops.inspect import find

    pilot = pilot_of(ctx)
    with pilot.database() as database:
        row, now = find(message_id, database), pilot.rows_now(database)
        _say_whose(pilot, database)
    fields = {**submission.fields(row, reveal=reveal), "params": submission.params(row, reveal=reveal)}
    pilot.output.record({"submission": fields}, text=pairs(submission.story(row, reveal=reveal, now=now)))


def _say_whose(pilot: Pilot, database: DatabaseManager) -> None:
    """Rows of another database look the same. A program that reads line by line gets rows and nothing else."""
    proof = pilot.word_on(database)
    pilot.output.notice(proof.told())
    if pilot.output.format is Format.JSON:
        pilot.output.record({"database": proof.fields()}, text=())


def _since(text: str | None, *, now: datetime) -> datetime | None:
    """Rows are dated by the database. Raises UsageError."""
    return parse_since(text, "--since", now=now) if text else None


def _limit(limit: int | None, *, all_: bool) -> int | None:
    if all_ and limit is not None:
        raise UsageError("--all and --limit cannot be used together", hint="leave one of them out")
    return None if all_ else limit or DEFAULT_LIMIT
