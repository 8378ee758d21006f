"""Sending the configured reply, and telling apart: sent, certainly not sent, never to be sent, nobody knows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from b2bpilot.errors import ReplyError, ReplyNotSent, ReplyRefused, ReplyUnknown

if TYPE_CHECKING:
    from twilio.http import HttpClient
    from twilio.rest import Client

TIMEOUT_SECONDS = 10
TOO_MANY_REQUESTS = 429
QUEUE_FULL = 21611
PAUSES_SECONDS = (0.5, 1.0, 2.0)


class TwilioReplier:
    """Replies with one fixed text. twilio.rest is imported at the first reply: most deployments never send one."""

    def __init__(
        self,
        *,
        account_sid: str,
        auth_token: str,
        text: str,
        http_client: HttpClient | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._account_sid = account_sid
        self._auth_token = auth_token
        self._text = text
        self._http_client = http_client
        self._sleep = sleep
        self._client: Client | None = None

    def send(self, *, to: str, from_: str) -> str:
        """Return the SID of the sent message. A 429 was not processed (facts D4) and is tried again, a few times."""
        for pause in PAUSES_SECONDS:
            try:
                return self._create(to=to, from_=from_)
            except ReplyNotSent as exc:
                if exc.__cause__ is None or getattr(exc.__cause__, "status", None) != TOO_MANY_REQUESTS:
                    raise
                self._sleep(pause)
        return self._create(to=to, from_=from_)

    def _create(self, *, to: str, from_: str) -> str:
        import requests
        from twilio.base.exceptions import TwilioRestException

        try:
            message = self._connected().messages.create(to=to, from_=from_, body=self._text)
        except TwilioRestException as exc:
            raise _judged(exc.status, exc.code) from exc
        except requests.ConnectTimeout as exc:
            raise ReplyNotSent("no connection to Twilio in time") from exc
        except requests.RequestException as exc:
            raise ReplyUnknown(f"no answer from Twilio ({type(exc).__name__})") from exc
        if not message.sid:
            raise ReplyUnknown("Twilio answered without a message SID")
        return str(message.sid)

    def _connected(self) -> Client:
        if self._client is None:
            from twilio.http.http_client import TwilioHttpClient
            from twilio.rest import Client

            http_client = self._http_client or TwilioHttpClient(timeout=TIMEOUT_SECONDS, max_retries=0)
            self._client = Client(self._account_sid, self._auth_token, http_client=http_client)
        return self._client


def _judged(status: int, code: int | None) -> ReplyError:
    """Judge an error answer. The text carries the code only: Twilio's own text repeats the phone number."""
    what = f"Twilio answered {status}" + (f", error {code}" if code else "")
    if status >= 500:  # noqa: PLR2004  # HTTP's server errors: it may have been queued before the failure
        return ReplyUnknown(what)
    if status in (401, 403, 404, TOO_MANY_REQUESTS) or code == QUEUE_FULL:
        return ReplyNotSent(what)
    return ReplyRefused(what)
