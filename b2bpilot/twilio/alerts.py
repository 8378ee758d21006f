"""Monitor Alerts: what Twilio noted when a webhook did not answer as it should. Kept for 30 days
(docs/aws-facts.md#webhook-alerts)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import parse_qsl

from b2bpilot.pipeline.several_values import parameters
from b2bpilot.twilio.failures import translated
from b2bpilot.twilio.rest import PAGE, Twilio

KEPT = timedelta(days=30)
MOST = 10_000
"""Twilio lists no more for one question (twilio.com/docs/usage/monitor-alert)."""
SHORTEST = timedelta(minutes=1)
LEVELS = ("error", "warning")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """`resource_sid` is the message's SID where a webhook for a message failed."""

    sid: str
    resource_sid: str
    error_code: str
    generated_at: datetime
    request_url: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRequest:
    """The request that failed: `variables` are the webhook's parameters to the letter, blank ones and all values included."""

    variables: dict[str, str] = field(repr=False)


def alerts(twilio: Twilio, *, since: datetime, until: datetime) -> Iterator[Alert]:
    """Yield errors and warnings of a period; some may come twice. Raises TwilioFailed."""
    for level in LEVELS:
        yield from _of_level(twilio, level, since, until)


def alert_request(twilio: Twilio, sid: str) -> AlertRequest:
    """Read what only a single Alert tells. Raises TwilioFailed."""
    with translated(f"read alert {sid}"):
        found = twilio.client.monitor.v1.alerts(sid).fetch()
    return AlertRequest(
        variables=parameters(parse_qsl(found.request_variables or "", keep_blank_values=True))
    )


def _of_level(twilio: Twilio, level: str, since: datetime, until: datetime) -> Iterator[Alert]:
    """A period with more than Twilio lists is asked for again in halves."""
    count = 0
    with translated("list alerts"):
        stream = twilio.client.monitor.v1.alerts.stream(
            log_level=level, start_date=since, end_date=until, page_size=PAGE
        )
        for found in stream:
            count += 1
            if isinstance(found.date_generated, datetime):
                yield Alert(
                    sid=str(found.sid),
                    resource_sid=str(found.resource_sid or ""),
                    error_code=str(found.error_code or ""),
                    generated_at=found.date_generated,
                    request_url=str(found.request_url or ""),
                )
    if count >= MOST and until - since > SHORTEST:
        middle = since + (until - since) / 2
        yield from _of_level(twilio, level, since, middle)
        yield from _of_level(twilio, level, middle, until)
