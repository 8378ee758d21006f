"""Messages that Twilio's list lacks and its alerts know: deleted since, or listed late (docs/aws-facts.md#message-lists)."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from b2bpilot.ops.parameters import is_message_sid
from b2bpilot.ops.reconcile.message_finding import ComparisonPeriod
from b2bpilot.ops.reconcile.notes import Notes
from b2bpilot.ops.reconcile.routing import Routing
from b2bpilot.pipeline.message import message_id_for
from b2bpilot.pipeline.status_callback import reported_state
from b2bpilot.twilio.alerts import Alert, alert_request
from b2bpilot.twilio.failures import TwilioNotFound
from b2bpilot.twilio.messages import InboundMessage, inbound_message
from b2bpilot.twilio.redaction import Content
from b2bpilot.twilio.rest import IN_FLIGHT, Twilio

MOST_ASKED = 2_000
"""So many messages that only an alert knows are asked for by their SID: each is a request, or two."""


def is_not_listed(alert: Alert, notes: Notes, limits: ComparisonPeriod) -> bool:
    """Tell whether this is about a message of the period that the list did not show."""
    sid = alert.resource_sid
    return (
        is_message_sid(sid) and limits.covers(alert.generated_at) and not notes.has_seen(message_id_for(sid))
    )


def unlisted(
    twilio: Twilio, alerts: Iterable[Alert], routing: Routing, *, to: str | None
) -> tuple[list[InboundMessage], int]:
    """Return the messages whose webhook here failed, and how many more there are that were not asked for. Raises
    TwilioFailed."""
    ours = [alert for alert in alerts if routing.is_webhook(alert.request_url)]
    with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="twilio") as pool:
        found = list(pool.map(partial(_message, twilio), ours[:MOST_ASKED]))
    wanted = [message for message in found if message is not None and to in (None, message.to)]
    return wanted, max(len(ours) - MOST_ASKED, 0)


def _message(twilio: Twilio, alert: Alert) -> InboundMessage | None:
    return _listed_late(twilio, alert.resource_sid) or _deleted(twilio, alert)


def _listed_late(twilio: Twilio, sid: str) -> InboundMessage | None:
    try:
        return inbound_message(twilio, sid)
    except TwilioNotFound:
        return None


def _deleted(twilio: Twilio, alert: Alert) -> InboundMessage | None:
    """What was sent has alerts, too: of its status callbacks."""
    try:
        variables = alert_request(twilio, alert.sid).variables
    except TwilioNotFound:
        return None
    if variables.get("MessageSid") != alert.resource_sid or reported_state(variables):
        return None
    return InboundMessage(
        sid=alert.resource_sid,
        sent_at=alert.generated_at,
        to=variables.get("To", ""),
        content=Content.DELETED,
    )
