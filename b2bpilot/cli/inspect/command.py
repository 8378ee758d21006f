"""`b2bpilot inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.options import WHEN, Reveal
from b2bpilot.cli.text.durations import parse_since
from b2bpilot.errors import AwsError

if TYPE_CHECKING:
    from b2bpilot.ops.inspect.context import Sources


def inspect(
    ctx: typer.Context,
    id_: Annotated[
        str,
        typer.Argument(
            help="A message_id, MessageSid, SNS MessageId, Lambda request id, or phone number.",
            metavar="ID",
        ),
    ],
    *,
    since: Annotated[
        str | None,
        typer.Option(
            help=f"Search from this time on: {WHEN}.  [default: what the row says, else 6h]",
            metavar="WHEN",
        ),
    ] = None,
    reveal: Reveal = False,
) -> None:
    """Show the whole story of one message: Twilio, webhook, SNS, every run of the processor, row, dead letter, redrives.

    Says why nothing happened if nothing did, what is missing, and what to do next. Exit code 1: no trace of it found.

    Example: b2bpilot inspect -e prod SM00000000000000000000000000000001
    """
    from b2bpilot.cli.inspect import inspection
    from b2bpilot.ops.inspect.context import InspectContext
    from b2bpilot.ops.inspect.identity import parse_identifier
    from b2bpilot.ops.inspect.inspection import Inspection
    from b2bpilot.ops.inspect.inspection import inspect as operation

    pilot = pilot_of(ctx)
    wanted = parse_identifier(id_)
    if since:
        parse_since(since, "--since", now=pilot.machine())
    _require_somebody_to_ask(pilot)
    with pilot.output.progress(f"Searching for {inspection.shown_id(wanted)}"):
        sources = _sources(pilot)
        now = pilot.clock.now()
        context = InspectContext(
            environment=pilot.settings.environment,
            table=pilot.table,
            sources=sources,
            since=parse_since(since, "--since", now=now) if since else None,
            now=now,
        )
        found = operation(wanted, context)
    if isinstance(found, Inspection):
        inspection.show(pilot.output, found, reveal=reveal)
    else:
        inspection.show_several(pilot.output, found, reveal=reveal, now=now)


def _require_somebody_to_ask(pilot: Pilot) -> None:
    """Raises UsageError where no environment and no database were named."""
    if pilot.settings.environment is None:
        _ = pilot.given_database


def _sources(pilot: Pilot) -> Sources:
    """A row can be shown without AWS, when its database was named."""
    from b2bpilot.cli.twilio.account import twilio_access_of
    from b2bpilot.ops.inspect.sources import sources_of, unasked
    from b2bpilot.ops.inspect.twilio_record import TwilioRecord

    if pilot.settings.environment is None:
        return unasked("no environment was named")
    try:
        environment = pilot.environment
        twilio = TwilioRecord(connect=lambda: twilio_access_of(pilot).connect(), now=pilot.now())
        return sources_of(environment, home=pilot.runs_home, twilio=twilio)
    except AwsError as exc:
        if not pilot.settings.database_url:
            raise
        return unasked(str(exc))
