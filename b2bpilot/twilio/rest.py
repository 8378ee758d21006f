"""Twilio's REST API, for one account. twilio.rest is imported with the first use: it costs half a second."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from b2bpilot.clock import HostClock
from b2bpilot.errors import SettingsInvalid
from b2bpilot.twilio.failures import translated

if TYPE_CHECKING:
    from twilio.rest import Client

TIMEOUT_SECONDS = 30
IN_FLIGHT = 8
"""So many requests at once: Twilio allows an account about a hundred, and others use it, too."""
PAGE = 1_000
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """`status` is active, suspended or closed."""

    sid: str
    status: str
    kind: str

    @property
    def is_active(self) -> bool:
        return self.status == "active"


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioAccess:
    """Whose account, and the token. `api_url` is where Twilio's hosts are, if not at Twilio: a double, or a proxy."""

    account_sid: str
    auth_token: str = field(repr=False)
    api_url: str | None = None
    clock: HostClock = field(default_factory=lambda: HostClock("Twilio"), repr=False, compare=False)

    def connect(self) -> Twilio:
        """Raises SettingsInvalid for an `api_url` that would carry the token in the clear. Asks nothing yet."""
        _check(self.api_url)
        from twilio.rest import Client

        from b2bpilot.twilio.transport import Patient, Transport

        transport = Transport(
            api_url=self.api_url,
            timeout_seconds=TIMEOUT_SECONDS,
            connections=IN_FLIGHT,
            clock=self.clock,
        )
        client = Client(
            self.account_sid, self.auth_token, http_client=Patient(transport), environment={"": ""}
        )
        return Twilio(account_sid=self.account_sid, client=client, clock=self.clock)


def _check(api_url: str | None) -> None:
    parts = urlsplit(api_url or "https://api.twilio.com")
    if parts.scheme != "https" and (parts.scheme != "http" or parts.hostname not in LOOPBACK):
        raise SettingsInvalid(
            "TWILIO_API_URL must be https, or http on this machine: the token goes there",
            hint="unset it to ask Twilio itself",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Twilio:
    """The SDK's client of one account; threads may share it."""

    account_sid: str
    client: Client = field(repr=False)
    clock: HostClock = field(default_factory=lambda: HostClock("Twilio"), repr=False, compare=False)
    """Twilio's, by which it dates messages and alerts."""

    def account(self) -> Account:
        """Return the account: the cheapest proof that Twilio accepts the token. Raises TwilioFailed."""
        with translated("read the account"):
            found = self.client.api.accounts(self.account_sid).fetch()
        return Account(sid=str(found.sid), status=str(found.status), kind=str(found.type))
