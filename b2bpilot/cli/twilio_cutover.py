"""`b2bpilot twilio cutover`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot.cli.context import Pilot, pilot_of
from b2bpilot.cli.dlq_options import DRY_RUN, REASON
from b2bpilot.cli.dlq_run import new_run, resumed_run
from b2bpilot.cli.privacy import without_secrets
from b2bpilot.cli.runs import RESUMERS
from b2bpilot.cli.twilio_account import twilio_access_of
from b2bpilot.cli.twilio_confirm import ask_for
from b2bpilot.cli.twilio_route import REVEAL, levels_table
from b2bpilot.twilio.webhook_setting import ProbeKind

if TYPE_CHECKING:
    from b2bpilot.ops.cutover.change import Change, Chosen
    from b2bpilot.ops.cutover.route import Route
    from b2bpilot.ops.runs.record import RunRecord
    from b2bpilot.twilio.rest import Twilio, TwilioAccess

STACK = "stack"
SHOWN = 20
CONFIRM = Annotated[
    str | None,
    typer.Option(
        "--confirm", help="What would be typed: the number, or the SID that the plan names.", metavar="NAME"
    ),
]


def cutover(
    ctx: typer.Context,
    *,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help="Where messages shall go: a URL, or `stack` for the environment's webhook.",
            metavar="URL",
        ),
    ],
    number: Annotated[
        str | None, typer.Option("--number", help="The number to switch over.", metavar="NUMBER")
    ] = None,
    service: Annotated[
        str | None, typer.Option("--service", help="The Messaging Service to switch over.", metavar="SID")
    ] = None,
    fallback: Annotated[
        str | None,
        typer.Option(
            "--fallback", help="Set the fallback URL, too; it stays as it is without this.", metavar="URL"
        ),
    ] = None,
    probe: Annotated[
        ProbeKind,
        typer.Option(
            help="What the URLs are asked before the switch: json (a test message) or form.",
            metavar="KIND",
            show_default=True,
        ),
    ] = ProbeKind.JSON,
    dry_run: DRY_RUN = False,
    reason: REASON = None,
    confirm: CONFIRM = None,
    reveal: REVEAL = False,
) -> None:
    """Point a number or a Messaging Service at another webhook: probe it, save the old values, write, read back.

    What is written is what decides: application, service or number. `twilio rollback RUN` takes it back.

    Example: b2bpilot twilio cutover -e prod --to stack --service MG0123456789abcdef0123456789abcdef
    """
    from b2bpilot.ops.cutover.change import changes, check_url, choose
    from b2bpilot.ops.cutover.route import routes

    pilot = pilot_of(ctx)
    url = _stack_url(pilot) if to == STACK else check_url(to, "--to")
    fallback_url = check_url(fallback, "--fallback") if fallback else None
    access = twilio_access_of(pilot)
    twilio = access.connect()
    with pilot.output.progress("Reading numbers, services and applications"):
        chosen = choose(routes(twilio), number=number, service=service)
    planned = [each for each in changes(chosen, url=url, fallback_url=fallback_url) if each.is_needed]
    _show_plan(pilot, chosen, planned, url=url, fallback_url=fallback_url, reveal=reveal)
    if not planned:
        return
    if dry_run:
        pilot.output.notice("Dry run: the new URL was not asked, and nothing was changed.")
        return
    _probe(pilot, access, [url, *([fallback_url] if fallback_url else [])], probe)
    ask_for(pilot, chosen.name, typed=confirm)
    _switch(pilot, twilio, chosen, planned, reason=reason, reveal=reveal)


def resume(pilot: Pilot, record: RunRecord, *, yes: bool) -> None:
    """Make the changes that an interrupted cut-over or rollback did not. One that ended is not made again: who took it
    back since would not want that."""
    from b2bpilot.ops.cutover import switch

    if record.counts is not None:
        pilot.output.notice(f"Run {record.run_id} has nothing left to do.")
        return
    twilio = twilio_access_of(pilot).connect()
    with the_only_switch(pilot):
        left = switch.remaining(twilio, switch.planned(record))
        show_changes(pilot, left)
        if left:
            pilot.confirmation(yes=yes).ask(
                [f"Go on with {record.run_id}:", f"  {pilot.environment}"], "Go on?"
            )
        with resumed_run(pilot, record) as journal:
            switch.switch(twilio, left, journal)
            journal.finish({"changed": len(left)})
    pilot.output.record(
        {"changed": len(left), "run_id": record.run_id},
        text=[f"Changed {len(left)}; read back and found as written"],
    )


RESUMERS["cutover"] = RESUMERS["rollback"] = resume


@contextmanager
def the_only_switch(pilot: Pilot) -> Iterator[None]:
    """Two at a time would each save what the other one writes."""
    from b2bpilot.ops.runs.durable import exclusive
    from b2bpilot.ops.runs.journal import FOLDER

    with exclusive(pilot.runs_home / FOLDER / "cutover.lock", "another cut-over or rollback"):
        yield


def show_changes(pilot: Pilot, planned: Sequence[Change]) -> None:
    """Name each thing with its URLs before and after."""
    fields = [
        {
            "level": each.level.value,
            "sid": each.sid,
            "before": without_secrets(each.before.url),
            "after": without_secrets(each.after.url),
            "fallback_before": without_secrets(each.before.fallback_url),
            "fallback_after": without_secrets(each.after.fallback_url),
        }
        for each in planned
    ]
    text = [line for each in planned for line in _change_in_words(each)]
    pilot.output.record(
        {"changes": fields}, text=text or ["Nothing is to be changed: it is set like this already."]
    )


def _change_in_words(change: Change) -> Iterator[str]:
    yield f"{change.level.value} {change.sid}"
    yield f"  URL now       {without_secrets(change.before.url) or 'none'}"
    yield f"  URL then      {without_secrets(change.after.url)}"
    if change.before.method != change.after.method:
        yield f"  method        {change.before.method}, then {change.after.method}"
    then = (
        ""
        if change.before.fallback_url == change.after.fallback_url
        else f", then {change.after.fallback_url or 'none'}"
    )
    yield without_secrets(f"  fallback URL  {change.before.fallback_url or 'none'}{then}")


def _stack_url(pilot: Pilot) -> str:
    from b2bpilot.twilio.webhook_setting import RECOMMENDED_OVERRIDES

    return f"{pilot.environment.stack.webhook_url}#{RECOMMENDED_OVERRIDES}"


def _show_plan(
    pilot: Pilot,
    chosen: Chosen,
    planned: Sequence[Change],
    *,
    url: str,
    fallback_url: str | None,
    reveal: bool,
) -> None:
    numbers = len(chosen.affected)
    text = [f"Switch {numbers:,} number{'s'[: numbers != 1]} over, {pilot.environment}:", ""]
    pilot.output.record({"affected_numbers": numbers}, text=text)
    levels_table(pilot, "before", chosen.affected[:SHOWN], reveal=reveal)
    if numbers > SHOWN:
        pilot.output.notice(f"{numbers - SHOWN:,} more numbers follow: b2bpilot twilio route")
    pilot.output.record({}, text=[""])
    show_changes(pilot, planned)
    for warning in _warnings(planned, url, fallback_url):
        pilot.output.notice(warning)


def _warnings(planned: Sequence[Change], url: str, fallback_url: str | None) -> Iterator[str]:
    from b2bpilot.twilio.webhook_setting import RECOMMENDED_OVERRIDES, retries_server_errors

    if not planned:
        return
    if not retries_server_errors(url):
        yield f"Twilio will not try again after a 5xx: append #{RECOMMENDED_OVERRIDES} to the URL."
    if fallback_url is None and any(not each.after.fallback_url for each in planned):
        yield "There is no fallback URL: what the webhook does not take will be lost. Name one with --fallback."


def _probe(pilot: Pilot, access: TwilioAccess, urls: Sequence[str], kind: ProbeKind) -> None:
    """Raises ProbeFailed: then nothing is changed."""
    from b2bpilot.twilio.probe import probe

    for url in urls:
        probe(url, kind=kind, auth_token=access.auth_token, account_sid=access.account_sid)
    answered = "The new URL" if len(urls) == 1 else "The new URL and the fallback URL"
    pilot.output.record({"probed": len(urls)}, text=["", f"{answered} answered a signed request with TwiML."])


def _switch(
    pilot: Pilot,
    twilio: Twilio,
    chosen: Chosen,
    planned: Sequence[Change],
    *,
    reason: str | None,
    reveal: bool,
) -> None:
    from b2bpilot.ops.cutover import switch

    parameters = {"twilio_account": twilio.account_sid, "things": [each.sid for each in planned]}
    with the_only_switch(pilot):
        left = switch.remaining(twilio, planned)
        with new_run(pilot, switch.CUTOVER, reason=reason, parameters=parameters) as journal:
            switch.write_plan(journal, left)
            switch.switch(twilio, left, journal)
            journal.finish({"changed": len(left)})
    _show_after(pilot, twilio, chosen.affected, journal.run_id, reveal=reveal)


def _show_after(
    pilot: Pilot, twilio: Twilio, affected: Sequence[Route], run_id: str, *, reveal: bool
) -> None:
    from b2bpilot.ops.cutover.route import routes

    sids = {each.number.sid for each in affected[:SHOWN]}
    found = [each for each in routes(twilio) if each.number.sid in sids]
    text = ["", "Written and read back. It is now:", ""]
    pilot.output.record({"run_id": run_id}, text=text)
    levels_table(pilot, "after", found, reveal=reveal)
    pilot.output.notice(f"Back to what was: b2bpilot twilio rollback {run_id}")
