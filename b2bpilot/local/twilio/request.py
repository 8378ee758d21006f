"""A request to Twilio's API, and what its endpoint has to answer with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from b2bpilot.local.twilio import resources
from b2bpilot.local.twilio.pages import ResourceListing
from b2bpilot.local.twilio.store import Resource, ResourceFilter, ResourceStore

INVALID = 20001
"""Twilio's error code for a parameter that it cannot read."""


class Refusal(Exception):
    """An error that Twilio answers with: HTTP status, code of its own, text."""

    def __init__(self, status: int, code: int, text: str) -> None:
        super().__init__(text)
        self.status, self.code = status, code

    def document(self) -> Resource:
        return {
            "code": self.code,
            "message": str(self),
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubleRequest:
    """`path` begins with the product: /api/2010-04-01/..., /messaging/v1/..., /monitor/v1/..."""

    method: str
    path: str
    query: Mapping[str, str]
    form: Mapping[str, str] = field(repr=False)
    credentials: tuple[str, str] = field(repr=False)
    lag: timedelta = timedelta()
    """Lists show nothing that is younger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubleAccount:
    """The one account that the double has, and perhaps an API key of it: a Standard one, which may not read the account."""

    sid: str
    auth_token: str = field(repr=False)
    status: str = "active"
    api_key: tuple[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request on its endpoint: `sids` are those in its path."""

    store: ResourceStore
    account: DoubleAccount
    request: DoubleRequest
    sids: Mapping[str, str]
    now: datetime
    redacts: bool = False

    @property
    def missing(self) -> Refusal:
        path = "/" + self.request.path.split("/", 2)[-1]
        return Refusal(404, 20404, f"The requested resource {path} was not found")

    def listing(self, key: str, wanted: ResourceFilter) -> ResourceListing:
        path = "/" + self.request.path.split("/", 2)[2]
        if self.request.lag:
            shown = (self.now - self.request.lag).timestamp()
            wanted = replace(wanted, until=shown if wanted.until is None else min(shown, wanted.until))
        return ResourceListing(path=path, key=key, query=self.request.query, wanted=wanted)

    def day(self, name: str) -> datetime | None:
        """Return the beginning of a day, in GMT, of the query. Raises Refusal."""
        moment = self.moment(name)
        return moment.replace(hour=0, minute=0, second=0, microsecond=0) if moment else None

    def moment(self, name: str) -> datetime | None:
        """Return a time of the query. Raises Refusal."""
        text = self.request.query.get(name)
        if not text:
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise Refusal(400, INVALID, f"Invalid date value for {name}: '{text}'") from None
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)

    def changed(self, kind: str, changes: Resource) -> Resource:
        """Write some fields of what the path names, and return all of it. Raises Refusal."""
        written = resources.iso8601 if kind == "service" else resources.rfc2822
        found = self.store.change(kind, self.sids["sid"], {**changes, "date_updated": written(self.now)})
        if found is None:
            raise self.missing
        return found
