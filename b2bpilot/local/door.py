"""Who may talk to a server of the local environment: a program of this user's that has its key, and no web page.

Its ports are open to every program and every browser on this machine. A page can send requests to any of them, and make
a host name of its own lead here; a browser says so in `Host`, `Origin` and `Sec-Fetch-Site`, which a page can't change.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from urllib.parse import urlsplit

HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


def refusal(header: Callable[[str], str | None]) -> str | None:
    """Say why nobody answers a request, if so. `header` returns one of its headers by the name in lower case."""
    if _name(header("host") or "") not in HOSTS:
        return "the host that it names is not this machine"
    if header("origin") is not None or header("sec-fetch-site") not in (None, "none", "same-origin"):
        return "it comes from a web page"
    return None


def holds_key(key: str, given: str) -> bool:
    """Compare in a time that says nothing about the key."""
    return hmac.compare_digest(key.encode(), given.encode("utf-8", "replace"))


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
