"""The account of the local environment: one number, with its webhook set as docs/twilio.md says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from b2bpilot.local.state import STORE, Identity
from b2bpilot.local.twilio.request import DoubleAccount
from b2bpilot.local.twilio.resources import number
from b2bpilot.local.twilio.server import TwilioDouble
from b2bpilot.local.twilio.store import ResourceFilter
from b2bpilot.twilio.samples import NUMBER
from b2bpilot.twilio.webhook_setting import RECOMMENDED_OVERRIDES


@contextmanager
def twilio_double(home: Path, identity: Identity, webhook_url: str) -> Iterator[TwilioDouble]:
    """Answer as Twilio until the block ends; messages and settings are there again the next time."""
    account = DoubleAccount(sid=identity.twilio_account_sid, auth_token=identity.twilio_auth_token)
    path = home / STORE
    path.touch(mode=0o600)
    double = TwilioDouble(account, path=path)
    if not double.store.all(ResourceFilter(kind="number")):
        url = f"{webhook_url}#{RECOMMENDED_OVERRIDES}"
        double.store.put([number(account.sid, NUMBER, at=datetime.now(UTC), sms_url=url)])
    double.start()
    try:
        yield double
    finally:
        double.stop()
