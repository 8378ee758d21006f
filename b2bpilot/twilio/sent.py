"""Whether a request to Twilio that failed can have reached it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator


def never_left(exc: Exception) -> bool:
    """Tell whether the request cannot have reached Twilio: there was no connection yet, or nobody was trusted at its end.

    requests also raises SSLError while it reads the answer: only a certificate is judged before anything is sent.
    """
    import requests
    from urllib3.exceptions import NewConnectionError

    before_sending = (requests.ConnectTimeout, NewConnectionError, ssl.SSLCertVerificationError)
    return any(isinstance(each, before_sending) for each in _layers(exc))


def _layers(exc: BaseException) -> Iterator[BaseException]:
    """Yield an error of requests and what it wraps: urllib3's in its arguments, ssl's own in the reason of that."""
    yield exc
    for inner in (*exc.args, getattr(exc, "reason", None)):
        if isinstance(inner, BaseException):
            yield from _layers(inner)
