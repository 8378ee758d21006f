"""Lists a page at a time, in the two styles that Twilio has: of the API of 2010, and of all the later ones."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from b2bpilot.local.twilio.store import ResourceFilter, ResourceStore

DEFAULT_SIZE, LARGEST_SIZE = 50, 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceListing:
    """A list that was asked for: under which path and key, with which query."""

    path: str
    key: str
    query: Mapping[str, str]
    wanted: ResourceFilter

    @property
    def size(self) -> int:
        size = self.query.get("PageSize", "")
        return min(max(int(size), 1), LARGEST_SIZE) if size.isdigit() else DEFAULT_SIZE

    @property
    def number(self) -> int:
        number = self.query.get("Page", "")
        return int(number) if number.isdigit() else 0

    def url(self, number: int, token: str | None) -> str:
        kept = {name: value for name, value in self.query.items() if name not in ("Page", "PageToken")}
        query = {**kept, "PageSize": str(self.size), "Page": str(number)} | (
            {"PageToken": token} if token else {}
        )
        return f"{self.path}?{urlencode(query)}"


def old_page(store: ResourceStore, listing: ResourceListing) -> dict[str, Any]:
    """Return a page with relative `next_page_uri`, as the API of 2010 has it."""
    found, token = _page(store, listing)
    start = listing.number * listing.size
    return {
        "end": start + max(len(found) - 1, 0),
        "first_page_uri": listing.url(0, None),
        "next_page_uri": listing.url(listing.number + 1, token) if token else None,
        "page": listing.number,
        "page_size": listing.size,
        "previous_page_uri": None,
        listing.key: found,
        "start": start,
        "uri": listing.url(listing.number, listing.query.get("PageToken")),
    }


def new_page(store: ResourceStore, listing: ResourceListing, *, product: str) -> dict[str, Any]:
    """Return a page with `meta` and absolute URLs."""
    found, token = _page(store, listing)
    host = f"https://{product}.twilio.com"
    return {
        "meta": {
            "first_page_url": host + listing.url(0, None),
            "key": listing.key,
            "next_page_url": host + listing.url(listing.number + 1, token) if token else None,
            "page": listing.number,
            "page_size": listing.size,
            "previous_page_url": None,
            "url": host + listing.url(listing.number, listing.query.get("PageToken")),
        },
        listing.key: found,
    }


def _page(store: ResourceStore, listing: ResourceListing) -> tuple[list[dict[str, Any]], str | None]:
    after = _place(listing.query.get("PageToken"))
    found, more = store.page(listing.wanted, size=listing.size, after=after)
    if more is None:
        return found, None
    return found, "PA" + base64.urlsafe_b64encode(f"{more[0]!r} {more[1]}".encode()).decode()


def _place(token: str | None) -> tuple[float, int] | None:
    try:
        at, position = base64.urlsafe_b64decode((token or "")[2:]).decode().split()
        return float(at), int(position)
    except (binascii.Error, ValueError):
        return None
