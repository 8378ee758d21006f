"""Twilio's REST API, for one account. twilio.rest is imported with the first use: it costs half a second."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from b2bpilot.errors import SettingsInvalid
from b2bpilot.pipeline.clock import HostClock
from b2bpilot.twilio.failures import TwilioDenied, translated

if TYPE_CHECKING:
    from twilio.rest import Client

TIMEOUT_SECONDS = 30
IN_FLIGHT = 8
"""So many requests at once: Twilio allows an account about a hundred, and others use it, too."""
PAGE = 1_000
ACCOUNT_SID, AUTH_TOKEN = "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"
API_KEY, API_SECRET = "TWILIO_API_KEY", "TWILIO_API_SECRET"
API_URL = "TWILIO_API_URL"
REGION, EDGE = "TWILIO_REGION", "TWILIO_EDGE"
US = "us1"
HOST_PART = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """`status` is active, suspended or closed; None where the credentials may not read it."""

    sid: str
    status: str | None
    kind: str

    @property
    def is_active(self) -> bool:
        return self.status in (None, "active")


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioAccess:
    """Whose account, and the credentials. `api_url` is where Twilio's hosts are, if not at Twilio: a double, or a proxy.

    With an API key that one asks; webhooks are signed with the account's token all the same. A region has credentials and
    settings of its own (twilio.com/docs/global-infrastructure).
    """

    account_sid: str
    auth_token: str = field(repr=False)
    api_url: str | None = None
    api_key: str | None = None
    api_secret: str | None = field(default=None, repr=False)
    region: str | None = None
    edge: str | None = None
    clock: HostClock = field(default_factory=lambda: HostClock("Twilio"), repr=False, compare=False)

    @property
    def credentials(self) -> tuple[str, str]:
        if self.api_key and self.api_secret:
            return self.api_key, self.api_secret
        return self.account_sid, self.auth_token

    def connect(self) -> Twilio:
        """Raises SettingsInvalid for what cannot be used, and an `api_url` that would carry the token in the clear. Asks
        nothing yet."""
        _check(self.api_url)
        from b2bpilot.twilio.transport import Patient, Transport

        transport = Transport(
            api_url=self.api_url,
            timeout_seconds=TIMEOUT_SECONDS,
            connections=IN_FLIGHT,
            clock=self.clock,
        )
        return Twilio(
            account_sid=self.account_sid,
            client=self.client(Patient(transport)),
            clock=self.clock,
            has_key=bool(self.api_key),
        )

    def check(self) -> None:
        """Raises SettingsInvalid for what no part can use."""
        for problem in problems(self):
            raise SettingsInvalid(problem, hint=CORRECT_IT)

    def client(self, http_client: Any) -> Client:
        """Return the SDK's client, which looks at none of the process's variables: all parts reach Twilio alike.

        Raises SettingsInvalid.
        """
        self.check()
        from twilio.rest import Client

        username, password = self.credentials
        return Client(
            username,
            password,
            self.account_sid,
            self.region,
            http_client=http_client,
            environment={"": ""},
            edge=self.edge,
        )


CORRECT_IT = "correct it in the environment's secret: its functions and the commands read it there"


def problems(access: TwilioAccess) -> list[str]:
    """Return what cannot be used, by its name in the secret."""
    found = []
    if access.account_sid.startswith("SK"):
        found.append(
            f"{ACCOUNT_SID} is the SID of an API key: put the account's there, and the key into {API_KEY} and {API_SECRET}"
        )
    if bool(access.api_key) != bool(access.api_secret):
        found.append(f"of {API_KEY} and {API_SECRET} one is missing")
    if access.api_key and not access.api_key.startswith("SK"):
        found.append(f"{API_KEY} is not the SID of an API key, which begins with SK")
    for name, value in ((REGION, access.region), (EDGE, access.edge)):
        if value and not HOST_PART.fullmatch(value):
            found.append(f"{name} is {value!r}, no part of a host's name")
    if access.region not in (None, "", US) and not access.edge:
        found.append(f"{REGION} is {access.region} without {EDGE}: Twilio has no such host")
    return found


def access_of(
    values: Mapping[str, str], *, api_url: str | None, clock: HostClock | None = None
) -> TwilioAccess | None:
    """Return what a secret says, None where it lacks the account's SID or its token. An `api_url` wins over the secret's."""
    account_sid, token = values.get(ACCOUNT_SID), values.get(AUTH_TOKEN)
    if not account_sid or not token:
        return None
    return TwilioAccess(
        account_sid=account_sid,
        auth_token=token,
        api_url=api_url or values.get(API_URL) or None,
        api_key=values.get(API_KEY) or None,
        api_secret=values.get(API_SECRET) or None,
        region=values.get(REGION) or None,
        edge=values.get(EDGE) or None,
        clock=clock or HostClock("Twilio"),
    )


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

    has_key: bool = False
    """It asks with an API key."""

    def account(self) -> Account:
        """Return the account: the cheapest proof that Twilio accepts the credentials. A Standard API key may not read it: of
        that one the list of messages is the proof. Raises TwilioFailed."""
        try:
            with translated("read the account"):
                found = self.client.api.accounts(self.account_sid).fetch()
        except TwilioDenied:
            if not self.has_key:
                raise
            with translated("list messages"):
                self.client.messages.page(page_size=1)
            return Account(sid=self.account_sid, status=None, kind="API key")
        return Account(sid=str(found.sid), status=str(found.status), kind=str(found.type))
