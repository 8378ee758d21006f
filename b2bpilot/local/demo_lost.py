"""The demonstration's loss that no AWS tool can see: messages that never reach the webhook, found and published again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from b2bpilot.aws.topic import Topic
from b2bpilot.local.twilio.server import TwilioDouble
from b2bpilot.local.twilio.store import ResourceFilter
from b2bpilot.ops.cutover.route import routes
from b2bpilot.ops.reconcile.comparison import Comparison
from b2bpilot.ops.reconcile.message_finding import ComparisonPeriod, ComparisonResult, MessageFinding
from b2bpilot.ops.reconcile.notes import Notes
from b2bpilot.ops.reconcile.queues import Queues
from b2bpilot.ops.reconcile.recovered import Recovered
from b2bpilot.ops.reconcile.recovery import Recovery
from b2bpilot.ops.reconcile.routing import Routing, VerifiedUrls, routing_of
from b2bpilot.ops.reconcile.run import finish, write_plan
from b2bpilot.ops.runs.journal import Journal
from b2bpilot.ops.table.asked import KnownTable
from b2bpilot.ops.table.database_proof import THE_FUNCTIONS_OWN
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.twilio.rest import Twilio, TwilioAccess

WRONG_URL = "http://127.0.0.1:9/webhook"
"""Port 9 is nobody's: the connection is refused."""
WAIT = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What reconciling found, and what publishing it again led to."""

    missing: Sequence[MessageFinding]
    recovered: Recovered = field(repr=False)


def lose(double: TwilioDouble, messages: Sequence[Mapping[str, str]]) -> None:
    """Let messages come in while the number points at a wrong URL."""
    (number,) = double.store.all(ResourceFilter(kind="number"))
    double.store.change("number", number["sid"], {"sms_url": WRONG_URL})
    for params in messages:
        double.receive(params)
    double.store.change("number", number["sid"], {"sms_url": number["sms_url"]})


def _routing(double: TwilioDouble, twilio: Twilio) -> Routing:
    """The number delivers here again: its URL is the environment's."""
    (number,) = double.store.all(ResourceFilter(kind="number"))
    return routing_of(routes(twilio), VerifiedUrls(urls=(number["sms_url"],)))


def find(double: TwilioDouble, database: DatabaseManager, topic: Topic, journal: Journal) -> Loss:
    """Compare Twilio's messages of the last hour with the table, and publish what is missing.

    What was lost before the webhook is in no queue: none is asked.
    """
    account = double.account
    twilio = TwilioAccess(
        account_sid=account.sid, auth_token=account.auth_token, api_url=double.url
    ).connect()
    now = datetime.now(UTC)
    period = ComparisonPeriod(since=now - timedelta(hours=1), until=now, fresh_for=timedelta())
    table = KnownTable(database, THE_FUNCTIONS_OWN)
    with Notes() as notes:
        Comparison(
            twilio=twilio,
            table=table,
            period=period,
            ask_queues=Queues,
            ask_routing=lambda: _routing(double, twilio),
        ).run(notes)
        write_plan(journal, notes)
        missing = list(notes.findings(ComparisonResult.MISSING))
    recovery = Recovery(twilio=twilio, table=table, publisher=topic, journal=journal, wait=WAIT)
    recovered = recovery.run(missing, Recovered())
    finish(journal, recovered)
    return Loss(missing=missing, recovered=recovered)
