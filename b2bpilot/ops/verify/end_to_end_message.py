"""One test message on its way through the pipeline: sent, awaited, sent again, and its row removed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from b2bpilot.aws.modes import BY_TOPIC
from b2bpilot.errors import AwsError, Refused, SettingsInvalid
from b2bpilot.ops.publish import compose
from b2bpilot.ops.publish.echo import deliveries_of_one, listen, logs_of
from b2bpilot.ops.publish.order import Item
from b2bpilot.ops.publish.proof import Timing, Waited, wait_for_one
from b2bpilot.ops.publish.routes import PublishResult, TopicPublishRoute, Via, WebhookRoute
from b2bpilot.ops.sending.result import SendOutcome
from b2bpilot.ops.subscribers.reach import reach
from b2bpilot.ops.table.database_proof import require_proven
from b2bpilot.ops.table.row_state import Asked
from b2bpilot.ops.verify.subscribers import all_of
from b2bpilot.pipeline.clock import machine_time
from b2bpilot.pipeline.message import PilotMessage, Source, new_message_id
from b2bpilot.pipeline.rows_of_tests import count_rows, remove_test_row
from b2bpilot.pipeline.waiting import pause

if TYPE_CHECKING:
    from b2bpilot.ops.publish.routes import PublishRoute
    from b2bpilot.ops.table.asked import WholeTable
    from b2bpilot.ops.verify.deployment import Deployment

SETTLE = timedelta(seconds=5)
"""How long the removal waits for what is still on its way."""
LATE_SECONDS = 1.0
SOURCES = {Via.WEBHOOK: Source.TWILIO, Via.TOPIC: Source.CLI}
"""What a message says of where it comes from: the webhook takes it for Twilio's."""
BODY = {"Body": "Test message of b2bpilot verify"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstSending:
    """The first sending. `waited` is None when nobody took the message."""

    via: Via
    sent: PublishResult
    waited: Waited | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondSending:
    """After the second sending: how many rows, and what the processor's log says of both, None when it was not read."""

    sent: PublishResult
    rows: int
    events: Mapping[str, int] | None
    each: int = 1
    """How many deliveries each sending becomes."""
    log_error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """How the clean-up went. `is_certain`: no delivery is left that could make the row again."""

    rows: int
    is_certain: bool


class EndToEndMessage:
    """The message and what became of it. `remove` may come at any time, from another thread: nothing is sent after it."""

    def __init__(self, deployment: Deployment, *, copy_of: EndToEndMessage | None = None) -> None:
        """`copy_of` is the same message, sent through the other side of a pair."""
        self.message_id: str = copy_of.message_id if copy_of else new_message_id()
        self._deployment = deployment
        self._is_copy = copy_of is not None
        self._sending = threading.Lock()
        self._is_over = False
        self._sendings = 0
        self._each = 1
        self._heard = 0
        self._is_stored = False
        self._since = deployment.clock()
        self.message: PilotMessage = copy_of.message if copy_of else self._composed()

    @property
    def via(self) -> Via:
        """Through the webhook when its signature can be made."""
        try:
            return Via.WEBHOOK if self._deployment.twilio_secret.get("TWILIO_AUTH_TOKEN") else Via.TOPIC
        except (AwsError, SettingsInvalid):
            return Via.TOPIC

    @property
    def reach(self) -> str:
        """Which other subscribers get it, in words that follow what was said; none where nobody does."""
        deployment = self._deployment
        message = replace(self.message, source=SOURCES[self.via])
        try:
            told = reach(deployment.environment, all_of(deployment), [message]).told()
        except AwsError as exc:
            told = f"Whom else it reaches is unknown: {exc}"
        return f". {told}" if told else ""

    def send(self) -> FirstSending:
        """Send it and wait for its row. Raises DatabaseError or Refused before anything is sent."""
        with self._deployment.table() as table:
            require_proven(table.proof, "no test message was sent, as its row could not be looked for")
            table.now()
            timing = Timing(sent_at=machine_time(), clock=machine_time)
            sent = self._send(self.via)
            if sent.outcome not in (SendOutcome.ACCEPTED, SendOutcome.UNKNOWN):
                return FirstSending(via=self.via, sent=sent)
            seconds = self._deployment.choices.row_seconds
            waited = wait_for_one(table, self._asked, timeout=timedelta(seconds=seconds), timing=timing)
        self._is_stored = waited.published.is_stored
        return FirstSending(via=self.via, sent=sent, waited=waited)

    def send_again(self) -> SecondSending:
        """Send the same once more, and count."""
        sent = self._send(self.via)
        echo = listen(
            logs_of(self._deployment.environment),
            {self.message_id: self._sendings * self._each},
            since=self._since,
            now=self._deployment.clock,
        )
        events: Counter[str] = Counter(echo.events[self.message_id])
        ended = ["stored", "duplicate"]
        if self._deployment.stack.delivery == BY_TOPIC:
            # What came by the queue comes again after a lease that held.
            ended.append("in_progress")
        self._heard = sum(events[one] for one in ended)
        with self._deployment.table() as table:
            rows = self.rows_in(table)
        return SecondSending(
            sent=sent,
            rows=rows,
            events=None if echo.error else events,
            each=self._each,
            log_error=echo.error,
        )

    def rows_in(self, table: WholeTable) -> int:
        return count_rows(table.database, self.message_id)

    def remove(self) -> Removal:
        """Delete the row, and see that it stays away as far as can be seen. Raises DatabaseError."""
        self._is_over = True
        with self._sending:
            deliveries = self._sendings * self._each
        if not deliveries:
            return Removal(rows=0, is_certain=True)
        with self._deployment.table() as table:
            is_certain = self._has_settled(table, deliveries)
            rows = remove_test_row(table.database, self.message_id)
            if not is_certain:
                pause(LATE_SECONDS)
                rows += remove_test_row(table.database, self.message_id)
        return Removal(rows=rows, is_certain=is_certain)

    @property
    def _asked(self) -> Asked:
        return Asked(self.message_id, test=True)

    def _has_settled(self, table: WholeTable, deliveries: int) -> bool:
        """A delivery that comes after the row was removed would make it again."""
        if not self._is_stored:
            self._is_stored = wait_for_one(table, self._asked, timeout=SETTLE).published.is_stored
        is_only_one = deliveries == 1 and not self._is_copy
        return self._is_stored and (is_only_one or self._heard >= deliveries)

    def _send(self, via: Via) -> PublishResult:
        with self._sending:
            if self._is_over:
                raise Refused("the check was ended", outcome="")
            if not self._sendings:
                self._deployment.tell(
                    f"Test message {self.message_id} goes through the {via.value}{self.reach}"
                )
            message = self.message
            item = Item(message=message)
            # Counted before: what an interrupted call has done nobody knows.
            self._sendings += 1
            with closing(self._route(via)) as route:
                self._each = deliveries_of_one(self._deployment.environment, route.priority_of(message))
                (sent,) = route.send([item])
            if sent.outcome not in (SendOutcome.ACCEPTED, SendOutcome.UNKNOWN):
                self._sendings -= 1
            return sent

    def _route(self, via: Via) -> PublishRoute:
        deployment = self._deployment
        if via is Via.TOPIC:
            return TopicPublishRoute(deployment.environment.topic(), clock=deployment.clock)
        from b2bpilot.twilio.webhook import WebhookClient

        token = deployment.twilio_secret["TWILIO_AUTH_TOKEN"]
        return WebhookRoute(
            lambda: WebhookClient(deployment.stack.webhook_url, auth_token=token),
            high_priority_numbers=deployment.stack.high_priority_numbers,
        )

    def _composed(self) -> PilotMessage:
        return compose(BODY, message_id=self.message_id, real=False, now=self._since)


def samples(*, now: datetime) -> list[PilotMessage]:
    """Return what may be sent, by either way: for who has to say beforehand whom it reaches."""
    composed = compose(BODY, message_id=None, real=False, now=now)
    return [replace(composed, source=source) for source in SOURCES.values()]
