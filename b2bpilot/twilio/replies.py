"""Sending the configured reply, and telling apart: sent, certainly not sent, never to be sent, nobody knows."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from b2bpilot.errors import ReplyError, ReplyNotSent, ReplyRefused, ReplyUnknown
from b2bpilot.pipeline.waiting import pause
from b2bpilot.twilio.failures import answered
from b2bpilot.twilio.rest import TwilioAccess
from b2bpilot.twilio.sent import never_left

if TYPE_CHECKING:
    from twilio.http import HttpClient
    from twilio.rest import Client

TIMEOUT_SECONDS = 10
QUEUE_FULL = 21611
CUT_SHORT = frozenset({HTTPStatus.REQUEST_TIMEOUT, 499})
"""Somebody between Twilio and us, or Twilio, stopped waiting: the request may have been carried out (499 is nginx's own)."""
PAUSES_SECONDS = (0.5, 1.0, 2.0)


class TwilioReplier:
    """Replies with one fixed text. twilio.rest is imported at the first reply: most deployments never send one.

    Raises SettingsInvalid for an account, key, region or edge that cannot be used: before a message is claimed.
    """

    def __init__(
        self,
        *,
        account_sid: str,
        auth_token: str,
        text: str,
        api_url: str | None = None,
        api_key: str | None = None,
        api_secret: str | None = None,
        region: str | None = None,
        edge: str | None = None,
        http_client: HttpClient | None = None,
    ) -> None:
        self._access = TwilioAccess(
            account_sid=account_sid,
            auth_token=auth_token,
            api_url=api_url,
            api_key=api_key,
            api_secret=api_secret,
            region=region,
            edge=edge,
        )
        self._access.check()
        self._text = text
        self._http_client = http_client
        self._client: Client | None = None

    def send(self, *, to: str, from_: str) -> str:
        """Return the SID of the sent message. A 429 was not processed (docs/aws-facts.md#sending-twice) and is tried
        again, a few times."""
        for seconds in PAUSES_SECONDS:
            try:
                return self._create(to=to, from_=from_)
            except _Throttled:
                pause(seconds)
        return self._create(to=to, from_=from_)

    def _create(self, *, to: str, from_: str) -> str:
        """Twilio's and the network's errors are no causes of ours: their texts repeat the phone number."""
        import requests
        from twilio.base.exceptions import TwilioRestException

        try:
            message = self._connected().messages.create(to=to, from_=from_, body=self._text)
        except TwilioRestException as exc:
            raise _judged(exc.status, exc.code) from None
        except requests.RequestException as exc:
            if never_left(exc):
                raise ReplyNotSent(f"no connection to Twilio ({type(exc).__name__})") from None
            raise ReplyUnknown(f"no answer from Twilio ({type(exc).__name__})") from None
        except (ValueError, TypeError, AttributeError):
            raise ReplyUnknown("Twilio's answer was cut off or is not JSON") from None
        if not message.sid:
            raise ReplyUnknown("Twilio answered without a message SID")
        return str(message.sid)

    def _connected(self) -> Client:
        if self._client is None:
            from b2bpilot.twilio.transport import Transport

            transport = Transport(api_url=self._access.api_url, timeout_seconds=TIMEOUT_SECONDS)
            self._client = self._access.client(self._http_client or transport)
        return self._client


class TokenRefused(ReplyNotSent):
    """Twilio does not know the token: it may have been rotated since it was read."""


class _Throttled(ReplyNotSent):
    """Twilio answered 429: the same call may succeed in a moment."""


def _judged(status: int, code: int | None) -> ReplyError:
    """Judge an error answer: a refusal is what Twilio refuses with an error code of its own; any other answer may be a
    proxy's, and says nothing of a reply. The text carries the code only: Twilio's own text repeats the phone number."""
    is_twilios = code is not None and code != status
    what = answered(status, code)
    match status:
        case _ if status in CUT_SHORT:
            return ReplyUnknown(what)
        case HTTPStatus.TOO_MANY_REQUESTS:
            return _Throttled(what)
        case HTTPStatus.UNAUTHORIZED:
            return TokenRefused(what)
        case HTTPStatus.FORBIDDEN | HTTPStatus.NOT_FOUND:
            return ReplyNotSent(what)
    if not is_twilios or not HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return ReplyUnknown(what)
    return ReplyNotSent(what) if code == QUEUE_FULL else ReplyRefused(what)
