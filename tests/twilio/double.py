"""The double for tests of this process: an account, a number and what happened there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from b2bpilot.local.twilio import resources
from b2bpilot.local.twilio.request import DoubleAccount
from b2bpilot.local.twilio.server import TwilioDouble
from b2bpilot.twilio.rest import Twilio, TwilioAccess

ACCOUNT_SID, TOKEN = "AC" + "a" * 32, "0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@contextmanager
def running_double(now: datetime = NOW) -> Iterator[TwilioDouble]:
    double = TwilioDouble(DoubleAccount(sid=ACCOUNT_SID, auth_token=TOKEN), clock=lambda: now)
    double.start()
    try:
        yield double
    finally:
        double.stop()


def access_to(double: TwilioDouble, *, token: str = TOKEN) -> TwilioAccess:
    return TwilioAccess(account_sid=ACCOUNT_SID, auth_token=token, api_url=double.url)


def connected(double: TwilioDouble) -> Twilio:
    return access_to(double).connect()


def add_number(double: TwilioDouble, phone_number: str, **settings: str) -> str:
    """Return its SID."""
    entry = resources.number(ACCOUNT_SID, phone_number, at=NOW, **settings)
    double.store.put([entry])
    return entry.sid


def add_application(double: TwilioDouble, **settings: str) -> str:
    entry = resources.application(ACCOUNT_SID, "orders", at=NOW, **settings)
    double.store.put([entry])
    return entry.sid


def add_service(
    double: TwilioDouble, *number_sids: str, uses_number_webhook: bool = False, **urls: str | None
) -> str:
    entry = resources.service(ACCOUNT_SID, "orders", at=NOW, uses_number_webhook=uses_number_webhook, **urls)
    members = [double.store.get("number", sid) for sid in number_sids]
    pool = [resources.pool_number(entry.sid, member, at=NOW) for member in members if member]
    double.store.put([entry, *pool])
    return entry.sid
