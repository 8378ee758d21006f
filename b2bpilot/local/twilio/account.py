"""The account of the local environment: one number, with its webhook set as docs/twilio.md says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urldefrag

from b2bpilot.local.state import STORE, Identity
from b2bpilot.local.twilio.request import DoubleAccount
from b2bpilot.local.twilio.resources import number
from b2bpilot.local.twilio.server import TwilioDouble
from b2bpilot.local.twilio.store import ResourceFilter
from b2bpilot.twilio.samples import NUMBER
from b2bpilot.twilio.webhook_setting import PAIR_OVERRIDES, RECOMMENDED_OVERRIDES, parts_of


@contextmanager
def twilio_double(
    home: Path, identity: Identity, webhook_url: str, fallback_url: str | None = None
) -> Iterator[TwilioDouble]:
    """Answer as Twilio until the block ends; messages and settings are there again the next time. `fallback_url` is that
    of a pair's second side."""
    account = DoubleAccount(sid=identity.twilio_account_sid, auth_token=identity.twilio_auth_token)
    path = home / STORE
    path.touch(mode=0o600)
    double = TwilioDouble(account, path=path)
    if not double.store.all(ResourceFilter(kind="number")):
        url = f"{webhook_url}#{RECOMMENDED_OVERRIDES}"
        double.store.put([number(account.sid, NUMBER, at=datetime.now(UTC), sms_url=url)])
    _set_urls(double, webhook_url, fallback_url)
    double.start()
    try:
        yield double
    finally:
        double.stop()


def _set_urls(double: TwilioDouble, webhook_url: str, fallback_url: str | None) -> None:
    """Let numbers that have none fall back to the second side, and none to one that is not there any more. What somebody
    else has set stays."""
    ours = {f"{webhook_url}#{each}" for each in (RECOMMENDED_OVERRIDES, PAIR_OVERRIDES)}
    url = f"{webhook_url}#{PAIR_OVERRIDES if fallback_url else RECOMMENDED_OVERRIDES}"
    fallback = f"{fallback_url}#{RECOMMENDED_OVERRIDES}" if fallback_url else ""
    for each in double.store.all(ResourceFilter(kind="number")):
        changes = {"sms_url": url} if each["sms_url"] in ours else {}
        found = urldefrag(each["sms_fallback_url"]).url
        was_a_side = parts_of(found).path == parts_of(webhook_url).path
        if found not in (webhook_url, fallback_url) and (not found or was_a_side):
            changes["sms_fallback_url"] = fallback
        double.store.change("number", each["sid"], changes)
