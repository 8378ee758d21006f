"""A drill from its first message to its books."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urldefrag

from b2bpilot.advice import our_command
from b2bpilot.aws.queue_attributes import counters
from b2bpilot.errors import LocalEnvironmentError
from b2bpilot.local import control
from b2bpilot.local.clients import LocalAws
from b2bpilot.local.drill.books import DrillBooks, DrillFound, balance
from b2bpilot.local.drill.outage import dead, waiting_in
from b2bpilot.local.drill.plan import DrillPlan, PairSide
from b2bpilot.local.drill.traffic import DrillMessage, DrillTraffic
from b2bpilot.local.stack import ENVIRONMENT
from b2bpilot.local.state import EnvironmentState, LocalSide
from b2bpilot.ops.environment import discover
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.models import SubmissionStatus, UserSubmission
from b2bpilot.pipeline.waiting import wait_until
from b2bpilot.twilio.alerts import alerts
from b2bpilot.twilio.numbers import numbers
from b2bpilot.twilio.rest import PAGE, Twilio, TwilioAccess
from b2bpilot.twilio.samples import NUMBER

SETTLE_SECONDS = 120
LOOK_SECONDS = 0.5
SPARE_ROWS = 1_000
"""Rows of others, that came in meanwhile."""


def drill(home: Path, plan: DrillPlan, *, observe: Callable[[str], None] = lambda _: None) -> DrillBooks:
    """Raises LocalEnvironmentError where no pair runs. Whatever ends it, the region comes back."""
    state, status = _pair(home), control.status(home)
    twilio = _twilio(state)
    sides = _sides(state, twilio)
    side = sides[plan.side]
    with DatabaseManager(state.database_url, application_name="b2bpilot/drill") as database:
        began = database.now()
        observe(f"{plan.rate:g} messages a second for {plan.seconds:g} s")
        traffic = DrillTraffic(state, rate=plan.rate, seconds=plan.seconds)
        try:
            traffic.wait_until(plan.stop_at)
            with dead(side, status):
                observe(f"{side.region}, the {plan.side}, is down")
                traffic.wait_until(plan.back_at)
                waiting, back_at = waiting_in(side), database.now()
            observe(f"{side.region} is back")
            traffic.wait()
        finally:
            traffic.end()
        observe("waiting for the rows")
        rows = _settled(database, traffic.messages, since=began)
    found = DrillFound(
        rows=rows,
        replies=_replies(twilio, traffic.messages, since=began),
        failed_calls=_failed_calls(twilio, since=began),
        waiting=waiting,
        back_at=back_at,
        dead_letters=_dead_letters(state),
    )
    return balance(traffic.messages, found, plan, primary_url=sides[PairSide.PRIMARY].webhook_url)


def _pair(home: Path) -> EnvironmentState:
    state = control.running(home)
    if state is None or not state.sides:
        raise LocalEnvironmentError(
            "no local pair is running" if state is None else "the local environment is in one region",
            hint="start two with " + our_command("local", "up", "--pair", "--detach"),
        )
    return state


def _twilio(state: EnvironmentState) -> Twilio:
    return TwilioAccess(
        account_sid=state.twilio_account_sid, auth_token=state.twilio_auth_token, api_url=state.twilio_api_url
    ).connect()


def _sides(state: EnvironmentState, twilio: Twilio) -> dict[PairSide, LocalSide]:
    """Which side is which stands at Twilio. Raises LocalEnvironmentError for a number that does not call both."""
    by_url = {side.webhook_url: side for side in state.sides}
    for number in numbers(twilio, phone_number=NUMBER):
        urls = [urldefrag(url).url for url in (number.webhook.url, number.webhook.fallback_url)]
        if set(urls) == by_url.keys():
            return dict(zip(PairSide, map(by_url.__getitem__, urls), strict=True))
    raise LocalEnvironmentError(
        f"{NUMBER} does not call one side and fall back to the other",
        hint="begin again with " + our_command("local", "up", "--pair", "--fresh"),
    )


def _settled(
    database: DatabaseManager, messages: Sequence[DrillMessage], *, since: datetime
) -> list[UserSubmission]:
    """Look until each message is completed, or nothing more is to be expected."""
    sids = {message.sid for message in messages}

    def look() -> list[UserSubmission]:
        rows = database.list_submissions(since=since, limit=2 * len(sids) + SPARE_ROWS)
        return [row for row in rows if row.message_sid in sids]

    def is_enough(rows: Sequence[UserSubmission]) -> bool:
        return sids <= {row.message_sid for row in rows if row.status == SubmissionStatus.COMPLETED}

    return wait_until(look, enough=is_enough, seconds=SETTLE_SECONDS, pause_seconds=LOOK_SECONDS)


def _replies(twilio: Twilio, messages: Sequence[DrillMessage], *, since: datetime) -> Mapping[str, int]:
    senders = {message.sender for message in messages}
    kept = twilio.client.messages.stream(
        from_=NUMBER, date_sent_after=since - timedelta(days=1), page_size=PAGE
    )
    return Counter(reply.to for reply in kept if reply.to in senders)


def _failed_calls(twilio: Twilio, *, since: datetime) -> Mapping[str, frozenset[str]]:
    found: defaultdict[str, set[str]] = defaultdict(set)
    until = datetime.now(UTC) + timedelta(minutes=1)
    for alert in alerts(twilio, since=since - timedelta(minutes=1), until=until):
        found[alert.resource_sid].add(urldefrag(alert.request_url).url)
    return {sid: frozenset(urls) for sid, urls in found.items()}


def _dead_letters(state: EnvironmentState) -> dict[str, int]:
    found = {}
    for side in state.sides:
        access = LocalAws(side.endpoint_url, state.keys, side.region).access
        url = discover(ENVIRONMENT, access).stack.dead_letter_queue_url
        found[side.region] = counters(access.client("sqs"), url).total
    return found
