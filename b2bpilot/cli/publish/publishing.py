"""A run of `publish`: the one message that a person follows, or the many that are counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.publish import results
from b2bpilot.cli.publish.progress import ProofDisplay, SendingDisplay
from b2bpilot.cli.runs.running import new_run, resumed_run
from b2bpilot.errors import NOTHING_PUBLISHED, DatabaseError, Refused
from b2bpilot.plural import many

if TYPE_CHECKING:
    from b2bpilot.ops.asking import Inquiry
    from b2bpilot.ops.publish.order import PublishOrder
    from b2bpilot.ops.publish.proof import Timing
    from b2bpilot.ops.publish.routes import PublishRoute
    from b2bpilot.ops.publish.run import PublishPlan
    from b2bpilot.ops.publish.sending import Dispatch, Observe
    from b2bpilot.ops.runs.journal import Journal
    from b2bpilot.ops.runs.record import MessageState, RunRecord
    from b2bpilot.ops.sending.pace import Pace
    from b2bpilot.ops.subscribers.reach import Reach
    from b2bpilot.ops.table.asked import AskedTable
    from b2bpilot.ops.table.row_state import Asked
    from b2bpilot.pipeline.message import PilotMessage


REACH_SECONDS = 2.0
NOTHING_MORE = "Nothing more was published"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOptions:
    """How it is to be sent. With a `timeout` the rows are looked at so long."""

    via: str
    rate: float | None
    concurrency: int | None
    timeout: timedelta | None
    reason: str | None

    def parameters(self, order: PublishOrder) -> Mapping[str, object]:
        """What the journal keeps, so that a resumed run goes on in the same way."""
        return {
            "via": self.via,
            "messages": order.messages,
            "items": order.items,
            "test": not order.real,
            "rate": self.rate,
            "concurrency": self.concurrency,
            "wait_seconds": self.timeout.total_seconds() if self.timeout else None,
        }


def publish(pilot: Pilot, order: PublishOrder, request: PublishOptions) -> None:
    """Send what was ordered, and show what became of it. Raises what `require_all_accepted` and the proof raise."""
    from b2bpilot.ops.publish import run
    from b2bpilot.ops.publish.outbox import Outbox

    is_one = order.items == 1
    with closing(_route(pilot, request)) as route, _table(pilot, request) as table:
        began = pilot.now()
        with _run(pilot, request, order, is_quiet=is_one) as journal:
            with _told(NOTHING_PUBLISHED):
                planned = run.plan(order, Outbox(pilot.runs_home, journal.run_id), clock=pilot.now)
                with _ended_when_refused(journal, planned):
                    before = _completed_before(table, planned, is_test=not order.real)
            timing = _timing(pilot)
            others = None if order.real else asked_beside(pilot, order.samples(now=began))
            dispatch = _send(pilot, request, planned, route, journal)
            journal.finish(dispatch.counts())
        if is_one:
            results.show_one(pilot, journal.run_id, dispatch.results[0], is_test=not order.real)
        else:
            results.show_many(
                pilot, journal.run_id, dispatch, via=request.via, limit=request.rate, is_test=not order.real
            )
        if others is not None:
            results.show_reach(pilot, others.answer())
        is_proven = _prove(
            pilot, request, dispatch, table, before, since=began, is_test=not order.real, timing=timing
        )
    if not is_one:
        run.require_all_accepted(dispatch, journal.run_id)
    elif not is_proven and (reason := run.reason_of_one(dispatch.results[0])):
        raise reason


def asked_beside(pilot: Pilot, messages: Iterable[PilotMessage]) -> Inquiry[Reach]:
    """Begin to ask who else gets these, while they are sent: it is a remark, and must neither fail nor delay them."""
    from b2bpilot.ops.asking import Inquiry

    def ask() -> Reach:
        from b2bpilot.ops.subscribers.reach import asked_reach

        return asked_reach(pilot.environment, messages)

    return Inquiry(ask, seconds=REACH_SECONDS)


def show_curl(pilot: Pilot, order: PublishOrder) -> None:
    """Print each message's signed request as a command. Raises UsageError, SettingsInvalid, AwsError."""
    from b2bpilot.ops.publish import run
    from b2bpilot.ops.publish.curl import curl_command

    token = run.auth_token(pilot.environment)
    url = pilot.environment.stack.webhook_url
    messages = [item.message for item in order.each(clock=pilot.now)]
    commands = [curl_command(message, url=url, auth_token=token) for message in messages]
    results.show_curl(pilot, messages, commands)


def resume(pilot: Pilot, record: RunRecord, *, yes: bool) -> None:
    """Send what is not known to be sent: `b2bpilot runs resume`."""
    from b2bpilot.ops.publish import run

    request = _request_of(record)
    planned = run.planned_again(record, pilot.runs_home)
    left = planned.items - sum(state.was_accepted for state in record.messages.values())
    unknown = sum(state.is_unknown for state in record.messages.values())
    perhaps = (
        f", {unknown:,} of them perhaps sent before: their ids make sure that each is stored once"
        if unknown
        else ""
    )
    pilot.confirmation(yes=yes).ask(
        [
            f"Publish {left:,} of the {many(planned.items, 'message')} of run {record.run_id} to {pilot.environment}{perhaps}."
        ],
        "Publish them?",
    )
    with closing(_route(pilot, request)) as route, _table(pilot, request, says=NOTHING_MORE) as table:
        began = pilot.now()
        is_test = bool(record.parameters.get("test", True))
        with resumed_run(pilot, record) as journal:
            with _told(NOTHING_MORE), _ended_when_refused(journal, planned, known=record.messages):
                before = _completed_before(table, planned, is_test=is_test)
            dispatch = _send(pilot, request, planned, route, journal, known=record.messages)
            journal.finish(dispatch.counts())
        results.show_many(
            pilot, record.run_id, dispatch, via=request.via, limit=request.rate, is_test=is_test
        )
        _prove(pilot, request, dispatch, table, before, since=began, is_test=is_test)
    run.require_all_accepted(dispatch, record.run_id)


def _request_of(record: RunRecord) -> PublishOptions:
    parameters = record.parameters
    wait = parameters.get("wait_seconds")
    return PublishOptions(
        via=parameters["via"],
        rate=parameters.get("rate"),
        concurrency=parameters.get("concurrency"),
        timeout=timedelta(seconds=wait) if wait else None,
        reason=record.reason,
    )


def _route(pilot: Pilot, request: PublishOptions) -> PublishRoute:
    from b2bpilot.ops.publish import run
    from b2bpilot.ops.publish.routes import Via

    return run.route_of(pilot.environment, Via(request.via), clock=pilot.now)


@contextmanager
def _table(
    pilot: Pilot, request: PublishOptions, *, says: str = NOTHING_PUBLISHED
) -> Iterator[AskedTable | None]:
    """The table that the proof asks; it must answer before anything is published."""
    if request.timeout is None:
        yield None
        return
    with pilot.table() as table:
        with _told(says):
            proof = table.proof
        if not proof.is_proven:
            pilot.output.notice(f"What is stored will not be known: {proof.told()}")
        yield table


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Say it with what is met before the first message is sent."""
    try:
        yield
    except (DatabaseError, Refused) as exc:
        exc.outcome = what
        raise


@contextmanager
def _ended_when_refused(
    journal: Journal, planned: PublishPlan, *, known: Mapping[str, MessageState] | None = None
) -> Iterator[None]:
    """What is refused before anything was sent is refused for ever: there is nothing to go on with."""
    try:
        yield
    except Refused:
        if not known:
            journal.finish({"refused": planned.items})
            planned.outbox.delete()
        raise


@contextmanager
def _run(pilot: Pilot, request: PublishOptions, order: PublishOrder, *, is_quiet: bool) -> Iterator[Journal]:
    """One message is told without its run's id; it has a journal all the same."""
    parameters = request.parameters(order)
    with new_run(
        pilot, "publish", reason=request.reason, parameters=parameters, is_quiet=is_quiet
    ) as journal:
        yield journal


def _completed_before(table: AskedTable | None, planned: PublishPlan, *, is_test: bool) -> frozenset[Asked]:
    """Raises Refused when an id is that of a real message and these are tests, or the reverse."""
    from b2bpilot.ops.publish.proof import completed_before
    from b2bpilot.ops.table.row_state import Asked

    if table is None:
        return frozenset()
    return completed_before(table, (Asked(message_id, is_test) for message_id in planned.message_ids))


def _send(
    pilot: Pilot,
    request: PublishOptions,
    planned: PublishPlan,
    route: PublishRoute,
    journal: Journal,
    *,
    known: Mapping[str, MessageState] | None = None,
) -> Dispatch:
    from b2bpilot.ops.publish import run
    from b2bpilot.ops.sending.pace import Limits

    limits = Limits(rate=request.rate, concurrency=request.concurrency or run.DEFAULT_CONCURRENCY)
    is_one = planned.items == 1
    left = planned.items - sum(state.was_accepted for state in (known or {}).values())
    shown = (
        nullcontext(pilot.output.notice)
        if is_one
        else pilot.output.progress(f"Publishing {many(left, 'message')}")
    )
    with shown as tell:

        def watch(pace: Pace) -> Observe:
            return SendingDisplay(tell, total=left, pace=pace, live=pilot.output.stderr.isatty())

        return run.send(planned, route, journal, limits, known=known, watch=watch)


def _prove(
    pilot: Pilot,
    request: PublishOptions,
    dispatch: Dispatch,
    table: AskedTable | None,
    before: frozenset[Asked],
    *,
    since: datetime,
    is_test: bool,
    timing: Timing | None = None,
) -> bool:
    """Look at the rows of what was sent, also of what perhaps was, and tell whether they prove all of it. Raises TimedOut or
    PartlyFailed."""
    if table is None or request.timeout is None:
        return False
    from b2bpilot.ops.publish.proof import prove_stored, require_all_stored
    from b2bpilot.ops.sending.result import SendOutcome
    from b2bpilot.ops.table.row_proof import RowProof
    from b2bpilot.ops.table.row_state import Asked

    sent = [one for one in dispatch.results if one.outcome in (SendOutcome.ACCEPTED, SendOutcome.UNKNOWN)]
    if not sent:
        return False
    messages = list(dict.fromkeys(Asked(one.message_id, is_test) for one in sent))
    if dispatch.total == 1:
        is_known = sent[0].outcome is SendOutcome.ACCEPTED
        return _wait_for_one(
            pilot, messages[0], request.timeout, table, before, is_known=is_known, timing=timing
        )
    with pilot.output.progress(f"Waiting for {many(len(messages), 'row')}") as tell:
        display = ProofDisplay(tell, live=pilot.output.stderr.isatty())
        proof = prove_stored(
            RowProof(table), messages, timeout=request.timeout, before=before, observe=display
        )
    results.show_proof(pilot, proof)
    results.show_echo(pilot, dispatch, since=since)
    require_all_stored(proof, timeout=request.timeout)
    return True


def _timing(pilot: Pilot) -> Timing:
    from b2bpilot.ops.publish.proof import Timing

    return Timing(sent_at=pilot.machine(), clock=pilot.machine)


def _wait_for_one(
    pilot: Pilot,
    message: Asked,
    timeout: timedelta,
    table: AskedTable,
    before: frozenset[Asked],
    *,
    is_known: bool,
    timing: Timing | None,
) -> bool:
    """What was stored before proves nothing of what was sent now, and that of which nobody knows whether it was published is
    not called published."""
    from b2bpilot.ops.publish.proof import require_one_stored, wait_for_one

    with pilot.output.progress("Waiting for the row") as tell:
        waited = wait_for_one(table, message, timeout=timeout, before=before, attempt=tell, timing=timing)
    results.show_waited(pilot, waited)
    if is_known:
        require_one_stored(waited, timeout=timeout)
    return waited.published.is_new
