"""How AWS is reached: session, clients with bounded waits, and its errors in our words."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import botocore
import botocore.session
from botocore.config import Config
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES
from botocore.exceptions import InvalidRegionError, NoRegionError, ProfileNotFound
from botocore.loaders import Loader

from b2bpilot import __version__
from b2bpilot.aws import ca_bundle
from b2bpilot.aws.attempts import hear_attempts
from b2bpilot.aws.clock import AWS, hear_clock
from b2bpilot.aws.credentials import ask_for_mfa_code, way_of
from b2bpilot.aws.failures import translated
from b2bpilot.errors import SettingsInvalid
from b2bpilot.pipeline.clock import HostClock

if TYPE_CHECKING:
    from botocore.client import BaseClient

USER_AGENT = f"b2bpilot/{__version__} Botocore/{botocore.__version__}"
"""Said in full: botocore would put its own together anew for every call, a quarter of the call's CPU."""

MOST_CONNECTIONS = 32
"""boto3's ten would make the workers of a run wait for each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long one call may take. `attempts` counts the first one; boto3 backs off between them."""

    connect_seconds: float = 5
    read_seconds: float = 20
    attempts: int = 4


class _AnyService(list[str]):
    """Claims to name every service; one that does not exist has no model either."""

    def __contains__(self, _: object) -> bool:
        return True


class _Loader(Loader):
    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002  # botocore's own
        """botocore looks through 400 folders, 35 ms of CPU, to learn whether the service that we name exists."""
        return _AnyService()


@functools.cache
def _loader() -> Loader:
    """Reads AWS's service models. Sharing it makes each further client five times cheaper (100 to 20 ms of CPU)."""
    return _Loader()


class _Sessions:
    """One session for all clients: a new one costs 15 ms of CPU. It is no matter for two threads at once."""

    def __init__(self) -> None:
        self._session: botocore.session.Session | None = None
        self._lock = threading.Lock()

    @contextmanager
    def of(self, profile: str | None, *, is_told_all: bool) -> Iterator[botocore.session.Session]:
        """botocore's own: boto3 around it only adds transfers and resources, and 0.2 s of imports."""
        with self._lock:
            if self._session is None:
                self._session = botocore.session.Session(profile=profile)
                self._session.register_component("data_loader", _loader())
                if is_told_all:
                    _forget_the_machine(self._session)
                else:
                    _ask_at_the_terminal(self._session)
            yield self._session


def _ask_at_the_terminal(session: botocore.session.Session) -> None:
    """botocore has no public way to say who asks for the code of a role that wants one."""
    provider = session.get_component("credential_provider").get_provider("assume-role")
    provider._prompter = ask_for_mfa_code  # noqa: SLF001  # as above


def _forget_the_machine(session: botocore.session.Session) -> None:
    """Take botocore's defaults, not the AWS_* variables and files of whoever is logged in: they are about another AWS."""
    settings = session.get_component("config_store")
    for name, (_, _, default, _) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items():
        settings.set_config_variable(name, default)
    for name in ("config_file", "credentials_file"):
        settings.set_config_variable(name, os.devnull)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsAccess:
    """Whom to ask as whom. What is None, boto3 finds where it always does (variables, profile, role), unless the access
    `is_told_all`: then the machine is asked for nothing."""

    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    is_told_all: bool = False
    clock: HostClock = field(default_factory=lambda: HostClock(AWS), repr=False, compare=False)
    """Hears every answer."""
    elsewhere: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Endpoints of other regions, where no AWS knows them: the local environment's."""
    _sessions: _Sessions = field(default_factory=_Sessions, init=False, repr=False, compare=False)

    def client(self, service: str, timeouts: Timeouts | None = None) -> Any:
        """Return boto3's client of `service`; the caller's annotation gives its type.

        Raises SettingsInvalid for a profile, region or endpoint that cannot be used, and CredentialsMissing.
        """
        with translated(f"create a client of {service}"):
            try:
                client = self._created(service, timeouts or Timeouts())
            except Exception as exc:
                way = way_of(exc)
                if isinstance(exc, NoRegionError | ProfileNotFound | SettingsInvalid) or (way and way.method):
                    raise
                raise self._unusable(exc) from exc  # no call is made here: all else is about settings
        hear_attempts(client)
        hear_clock(client, self.clock)
        return client

    def in_region(self, region: str) -> AwsAccess:
        """Return the same access to another region: the same credentials, for which nobody is asked twice."""
        one = replace(self, region=region, endpoint_url=self.elsewhere.get(region, self.endpoint_url))
        object.__setattr__(one, "_sessions", self._sessions)
        return one

    def session(self) -> AbstractContextManager[botocore.session.Session]:
        """botocore's own, for one at a time."""
        return self._sessions.of(self.profile, is_told_all=self.is_told_all)

    def _created(self, service: str, timeouts: Timeouts) -> BaseClient:
        with self.session() as session:
            client = session.create_client(
                service,
                region_name=self.region,
                endpoint_url=self.endpoint_url,
                aws_access_key_id=self.access_key_id,
                aws_secret_access_key=self.secret_access_key,
                config=client_config(timeouts, endpoint_url=self.endpoint_url),
            )
            ca_bundle.require_usable(session, client.meta.endpoint_url)
            return client

    def _unusable(self, exc: Exception) -> SettingsInvalid:
        """Say which setting botocore cannot use: it raises ValueError for an endpoint that is no URL, and for files."""
        if isinstance(exc, InvalidRegionError):
            name = exc.kwargs["region_name"]
            return SettingsInvalid(
                f"region {name!r} is not a region's name",
                hint="check --region, AWS_REGION and ~/.aws/config: the name must stand alone, without a comment",
            )
        if self.endpoint_url is not None and isinstance(exc, ValueError):
            return SettingsInvalid(
                f"the endpoint {self.endpoint_url!r} cannot be used: {exc}",
                hint="write it as http://HOST:PORT or https://HOST",
            )
        return SettingsInvalid(
            f"boto3 cannot use its settings: {' '.join(str(exc).split())}",
            hint="check the AWS_ variables (AWS_ENDPOINT_URL and its like among them) and ~/.aws/config",
        )


def client_config(timeouts: Timeouts, *, endpoint_url: str | None = None) -> Config:
    return Config(
        proxies={} if is_on_this_machine(endpoint_url) else None,
        connect_timeout=timeouts.connect_seconds,
        read_timeout=timeouts.read_seconds,
        retries={"mode": "standard", "total_max_attempts": timeouts.attempts},
        max_pool_connections=MOST_CONNECTIONS,
        user_agent=USER_AGENT,
    )


def is_on_this_machine(url: str | None) -> bool:
    """No proxy leads there: it would look on its own machine."""
    try:
        host = urlsplit(url or "").hostname or ""
    except ValueError:
        return False
    return host in {"localhost", "::1"} or host.startswith("127.")
