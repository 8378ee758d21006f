"""Twilio with what came in, the table with what was stored, and a pipeline that really stores what is published."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from b2bpilot.aws.topic import Published
from b2bpilot.errors import MessageInvalid, PublishFailed
from b2bpilot.local.twilio import resources
from b2bpilot.local.twilio.server import TwilioDouble
from b2bpilot.ops.cutover.route import routes
from b2bpilot.ops.reconcile.comparison import Comparison
from b2bpilot.ops.reconcile.message_finding import ComparisonPeriod, ComparisonResult, MessageFinding
from b2bpilot.ops.reconcile.notes import Notes
from b2bpilot.ops.reconcile.queues import Queues
from b2bpilot.ops.reconcile.recovered import Recovered
from b2bpilot.ops.reconcile.recovery import Recovery
from b2bpilot.ops.reconcile.routing import Routing, VerifiedUrls, routing_of
from b2bpilot.ops.reconcile.run import finish, published_results, write_plan
from b2bpilot.ops.runs.journal import Journal
from b2bpilot.ops.table.asked import KnownTable
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.delivery import Delivery
from b2bpilot.pipeline.message import Encoded, PilotMessage, Source, decode, message_id_for
from b2bpilot.pipeline.processing import process
from b2bpilot.twilio.rest import Twilio
from tests.ops.table.databases import PROVEN
from tests.twilio.double import ACCOUNT_SID, add_number, connected

OURS, THEIRS = "+15005550009", "+15005550006"
WEBHOOK = "https://hooks.example/prod/webhook"
DAY = timedelta(days=1)
WAIT = timedelta(seconds=5)

INSERT = """
    INSERT INTO b2b_pilot_user_submissions
        (message_id, message_sid, to_number, status, source, params, received_at, created_at, completed_at, attempts,
        test)
    SELECT message_id, message_sid, %(to)s, %(status)s, %(source)s, %(params)s::json, sent_at, sent_at,
        CASE WHEN %(status)s = 'completed' THEN sent_at + %(took)s END, %(attempts)s, %(test)s
    FROM unnest(%(ids)s::text[], %(sids)s::text[], %(times)s::timestamptz[]) AS row(message_id, message_sid, sent_at)
"""


@dataclass
class Deployment:
    """`now` is the clock of the double and of the comparison; rows are written with the times of Twilio's calls."""

    double: TwilioDouble
    database: DatabaseManager
    now: datetime
    published: Counter[str] = field(default_factory=Counter)
    refuse: bool = False
    queues: Queues = field(default_factory=Queues)
    """What our queues hold; `asked` counts how often they were looked at."""
    asked: int = 0
    routing: Routing | None = None
    """Where the numbers deliver; without it, as the double's numbers are set."""

    def __post_init__(self) -> None:
        add_number(self.double, OURS, sms_url=WEBHOOK)

    @property
    def table(self) -> KnownTable:
        return KnownTable(self.database, PROVEN)

    @property
    def twilio(self) -> Twilio:
        return connected(self.double)

    def receive(self, count: int, *, ago: timedelta = timedelta(hours=12), to: str = OURS) -> list[str]:
        """Let messages come in at Twilio, a tenth of a second apart; returns their SIDs."""
        sids = [resources.new_sid("SM") for _ in range(count)]
        start = self.now - ago
        self.double.store.put(
            resources.message(
                ACCOUNT_SID,
                {"MessageSid": sid, "From": THEIRS, "To": to, "Body": f"order {place}"},
                direction="inbound",
                at=start + timedelta(milliseconds=100 * place),
                status="received",
            )
            for place, sid in enumerate(sids)
        )
        return sids

    def store(
        self,
        sids: Sequence[str],
        *,
        took: timedelta = timedelta(milliseconds=80),
        status: str = "completed",
        with_id: bool = True,
        attempts: int = 1,
        ago: timedelta = timedelta(hours=12),
        account_sid: str = ACCOUNT_SID,
        to: str = OURS,
        source: str = "twilio",
        test: bool = False,
    ) -> None:
        """Write rows, as if the messages had come through the webhook."""
        sent = {sid: self._sent_at(sid, ago) for sid in sids}
        with self.database.connection.use() as connection:
            connection.execute(
                INSERT,
                {
                    "to": to,
                    "source": source,
                    "test": test,
                    "status": status,
                    "params": json.dumps({"AccountSid": account_sid}),
                    "took": took,
                    "attempts": attempts,
                    "ids": [message_id_for(sid) if with_id else None for sid in sids],
                    "sids": list(sids),
                    "times": [sent[sid] for sid in sids],
                },
            )

    def process(self, sid: str, **params: str) -> None:
        """Let the processor have a message of twelve hours ago; what it refuses stays as a failed row."""
        message = PilotMessage(
            message_id=message_id_for(sid),
            source=Source.TWILIO,
            received_at=self.now - DAY / 2,
            params={"MessageSid": sid, "From": THEIRS, **params},
        )
        delivery = Delivery(message=message, sns_message_id="1", published_at=None)
        with suppress(MessageInvalid):
            process(delivery, database=self.database, replier=None, lease=timedelta(seconds=30))

    def _sent_at(self, sid: str, ago: timedelta) -> datetime:
        found = self.double.store.get("message", sid)
        if found is None:
            return self.now - ago
        return datetime.strptime(found["date_sent"], "%a, %d %b %Y %H:%M:%S %z").astimezone(UTC)

    def alert(
        self,
        sid: str,
        *,
        variables: str = "",
        code: str = "11200",
        ago: timedelta = DAY / 2,
        url: str = "https://hooks.example/",
    ) -> None:
        """Let Twilio have noted that the webhook of a message failed."""
        fields = {
            "error_code": code,
            "request_url": url,
            "request_variables": variables,
            "resource_sid": sid,
        }
        self.double.store.put([resources.alert(ACCOUNT_SID, fields, at=self.now - ago)])

    @contextmanager
    def compared(self, *, since: timedelta = DAY, to: str | None = None) -> Iterator[Notes]:
        period = ComparisonPeriod(since=self.now - since, until=self.now)
        comparison = Comparison(
            twilio=self.twilio,
            table=self.table,
            period=period,
            ask_queues=self._ask_queues,
            ask_routing=lambda: (
                self.routing or routing_of(routes(self.twilio), VerifiedUrls(urls=(WEBHOOK,)))
            ),
            to=to,
        )
        with Notes() as notes:
            comparison.run(notes)
            yield notes

    def _ask_queues(self) -> Queues:
        self.asked += 1
        return self.queues

    def findings(self, result: ComparisonResult) -> dict[str, MessageFinding]:
        with self.compared() as notes:
            return {finding.sid: finding for finding in notes.findings(result)}

    def counts(self) -> dict[ComparisonResult, int]:
        with self.compared() as notes:
            return {result: count for result, count in notes.counts().items() if count}

    def publish_batch(self, messages: Sequence[Encoded]) -> list[Published]:
        """Do what SNS and the processor do, at once."""
        if self.refuse:
            return [Published(error=PublishFailed("SNS refused the message"))] * len(messages)
        return [self._publish(each) for each in messages]

    def _publish(self, encoded: Encoded) -> Published:
        attributes = {name: value["StringValue"] for name, value in encoded.attributes.items()}
        message = decode(encoded.body, attributes)
        self.published[message.params["MessageSid"]] += 1
        delivery = Delivery(message=message, sns_message_id="1", published_at=None)
        process(delivery, database=self.database, replier=None, lease=timedelta(seconds=30))
        return Published(sns_message_id="1")

    def journal(self, home: Path) -> Journal:
        return Journal.create(
            home,
            command="reconcile",
            environment="staging",
            account_id="1",
            region="eu-west-1",
            operator="ana",
            reason=None,
            parameters={},
        )

    def recovery(self, journal: Journal, *, allow_partial: bool = False) -> Recovery:
        return Recovery(
            twilio=self.twilio,
            table=self.table,
            publisher=self,
            journal=journal,
            wait=WAIT,
            allow_partial=allow_partial,
        )

    def recover(self, home: Path, *, allow_partial: bool = False) -> Recovered:
        """A whole run: compare, plan, publish, prove."""
        with self.compared() as notes, self.journal(home) as journal:
            write_plan(journal, notes, allow_partial=allow_partial)
            found = notes.findings(*published_results(allow_partial=allow_partial))
            recovered = self.recovery(journal, allow_partial=allow_partial).run(found, Recovered())
            finish(journal, recovered)
        return recovered

    def params_of(self, sid: str) -> dict[str, str]:
        row = self.database.get_submission_by_message_id(message_id_for(sid))
        assert row is not None
        return dict(row.params or {})


def sids_of(findings: Iterable[MessageFinding]) -> set[str]:
    return {finding.sid for finding in findings}
