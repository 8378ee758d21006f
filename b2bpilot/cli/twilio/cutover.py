"""`b2bpilot twilio cutover`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import typer

from b2bpilot.advice import our_command
from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.options import DRY_RUN, DryRun, Reason, Reveal
from b2bpilot.cli.output import Line, Tone
from b2bpilot.cli.runs.running import new_run
from b2bpilot.cli.twilio.account import twilio_access_of
from b2bpilot.cli.twilio.confirm import ask_for
from b2bpilot.cli.twilio.cutover_options import ConfirmTarget, Fallback, Number, Probe, Service, To
from b2bpilot.cli.twilio.route import NOT_READ, levels_table, require_not_empty, shown_number
from b2bpilot.cli.twilio.switch import show_changes, the_only_switch
from b2bpilot.plural import many
from b2bpilot.twilio.webhook_setting import ProbeKind

if TYPE_CHECKING:
    from b2bpilot.ops.cutover.change import Change, Chosen
    from b2bpilot.ops.cutover.route import NumberRoute
    from b2bpilot.twilio.rest import Twilio, TwilioAccess

STACK, PAIR = "stack", "pair"
SHOWN = 20
NOT_WRITTEN = "its messages go elsewhere, not to the URL that was written"


def cutover(
    ctx: typer.Context,
    *,
    to: To,
    number: Number = None,
    service: Service = None,
    fallback: Fallback = None,
    probe: Probe = ProbeKind.JSON,
    dry_run: DryRun = False,
    reason: Reason = None,
    confirm: ConfirmTarget = None,
    reveal: Reveal = False,
) -> None:
    """Point a number or a Messaging Service at another webhook: probe it, save the old values, write, read back.

    Writes the setting that takes effect: application, service or number. `twilio rollback RUN` reverts it. With --fallback
    pair, the URL that `--to stack` writes leaves time for the fallback; --region says which side becomes the first.

    Example: b2bpilot twilio cutover -e prod --to stack --service MG0123456789abcdef0123456789abcdef
    """
    from b2bpilot.ops.cutover.change import check_url
    from b2bpilot.ops.cutover.looking import plan

    pilot = pilot_of(ctx)
    for option, value in (("--number", number), ("--service", service), ("--fallback", fallback)):
        require_not_empty(option, value)
    has_pair = fallback == PAIR
    url = _stack_url(pilot, has_pair=has_pair) if to == STACK else check_url(to, "--to")
    fallback_url = _pair_url(pilot) if has_pair else check_url(fallback, "--fallback") if fallback else None
    access = twilio_access_of(pilot)
    twilio = access.connect()
    with pilot.output.progress("Reading numbers, services and applications"):
        chosen, planned = plan(twilio, number=number, service=service, url=url, fallback_url=fallback_url)
    _show_plan(pilot, chosen, planned, url=url, fallback_url=fallback_url, reveal=reveal)
    if dry_run:
        if planned:
            pilot.output.notice("The new URL was not asked.")
        pilot.output.notice(DRY_RUN)
        return
    if not planned:
        return
    _probe(pilot, access, [url, *([fallback_url] if fallback_url else [])], probe)
    ask_for(pilot, chosen.name, typed=confirm)
    made = _switch(pilot, twilio, planned, reason=reason)
    if made is not None:
        run_id, told = made
        pilot.output.record({"run_id": run_id}, text=["", f"Written: {told}."])
        _show_after(pilot, twilio, chosen, url=url, run_id=run_id, reveal=reveal)


def _stack_url(pilot: Pilot, *, has_pair: bool) -> str:
    from b2bpilot.twilio.webhook_setting import PAIR_OVERRIDES, RECOMMENDED_OVERRIDES

    overrides = PAIR_OVERRIDES if has_pair else RECOMMENDED_OVERRIDES
    return f"{pilot.environment.stack.webhook_url}#{overrides}"


def _pair_url(pilot: Pilot) -> str:
    from b2bpilot.ops.pair import require_other
    from b2bpilot.twilio.webhook_setting import RECOMMENDED_OVERRIDES

    return f"{require_other(pilot.environment).stack.webhook_url}#{RECOMMENDED_OVERRIDES}"


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
    switched = f"{'Switch over ' if planned else ''}{many(numbers, 'number')}"
    text = [f"{switched}, {pilot.environment}:", ""]
    pilot.output.record({"affected_numbers": numbers}, text=text)
    levels_table(pilot, "before", chosen.affected[:SHOWN], reveal=reveal)
    if numbers > SHOWN:
        pilot.output.notice(
            f"{many(numbers - SHOWN, 'more number')} not shown: " + our_command("twilio", "route")
        )
    pilot.output.lines([""])
    show_changes(pilot, planned)
    pilot.output.notice(f"Not read, and not switched: {NOT_READ}.")
    for warning in _warnings(planned, url, fallback_url):
        pilot.output.notice(Line(warning, Tone.WARNING))


def _warnings(planned: Sequence[Change], url: str, fallback_url: str | None) -> Iterator[str]:
    from b2bpilot.twilio.overrides import retries_server_errors, retries_timeouts
    from b2bpilot.twilio.webhook_setting import RECOMMENDED_OVERRIDES

    if not planned:
        return
    if not retries_server_errors(url):
        yield f"Twilio will not try again after a 5xx: append #{RECOMMENDED_OVERRIDES} to the URL."
    elif not retries_timeouts(url):
        yield f"Twilio will not try again after a timeout: append #{RECOMMENDED_OVERRIDES} to the URL."
    if fallback_url is None and any(not each.after.fallback_url for each in planned):
        yield "There is no fallback URL: what the webhook does not take will be lost. Name one with --fallback."


def _probe(pilot: Pilot, access: TwilioAccess, urls: Sequence[str], kind: ProbeKind) -> None:
    """Raises ProbeFailed: then nothing is changed."""
    from b2bpilot.twilio.probe import probe

    said = [
        probe(url, kind=kind, auth_token=access.auth_token, account_sid=access.account_sid) for url in urls
    ]
    caveats = [each for each in said if each]
    answered = "The new URL" if len(urls) == 1 else "The new URL and the fallback URL"
    how = "as Twilio takes it" if caveats else "with TwiML"
    pilot.output.record(
        {"probed": len(urls), "probe_caveats": caveats},
        text=["", f"{answered} answered a signed request {how}.", *caveats],
    )


def _switch(
    pilot: Pilot,
    twilio: Twilio,
    planned: Sequence[Change],
    *,
    reason: str | None,
) -> tuple[str, str] | None:
    """Make the changes that nobody has made meanwhile; return the run and how it is known, if there was anything to do."""
    from b2bpilot.ops.cutover import switch

    parameters = {"twilio_account": twilio.account_sid, "things": [each.sid for each in planned]}
    with the_only_switch(pilot):
        left = switch.remaining(twilio, planned)
        if not left:
            pilot.output.notice("Somebody has set it like this in the meantime: nothing was changed.")
            return None
        with new_run(pilot, switch.CUTOVER, reason=reason, parameters=parameters) as journal:
            switch.write_plan(journal, left)
            unread = switch.switch(twilio, left, journal)
            journal.finish({"changed": len(left)})
    return journal.run_id, switch.in_words(left, unread)


def _show_after(pilot: Pilot, twilio: Twilio, chosen: Chosen, *, url: str, run_id: str, reveal: bool) -> None:
    """Raises PartlyFailed when what was written does not decide."""
    from b2bpilot.ops.cutover.change import require_delivery
    from b2bpilot.ops.cutover.looking import delivering
    from b2bpilot.twilio.failures import TwilioFailed

    output = pilot.output
    try:
        found = delivering(twilio, chosen, url)
    except TwilioFailed as exc:
        output.notice(f"What takes effect now could not be read: {exc}")
        output.notice("See it later: " + our_command("twilio", "route"))
        found = []
    else:
        _show_routes(pilot, found, url=url, reveal=reveal)
    output.notice("To revert: " + our_command("twilio", "rollback", run_id))
    require_delivery(found, url, run_id)


def _show_routes(pilot: Pilot, found: Sequence[NumberRoute], *, url: str, reveal: bool) -> None:
    """In a table the first ones; the dangers of all are for programs."""
    from b2bpilot.ops.cutover.route import dangers

    output = pilot.output
    output.lines(["It is now:", ""])
    levels_table(pilot, "after", found[:SHOWN], reveal=reveal)
    unsafe = [
        (each.number, danger)
        for each in found
        for danger in dangers(each, expected_urls=[url], elsewhere=NOT_WRITTEN)
    ]
    fields = [
        {
            "number": shown_number(number.phone_number, reveal=reveal),
            "number_sid": number.sid,
            "danger": danger,
        }
        for number, danger in unsafe
    ]
    lines = [f"{each['number']}: {each['danger']}" for each in fields[:SHOWN]]
    output.record({"unsafe": fields}, text=["", *lines] if lines else [])
    if len(lines) < len(fields):
        output.notice(
            f"{many(len(fields) - len(lines), 'more is', 'more are')} unsafe: "
            + our_command("twilio", "route")
        )
