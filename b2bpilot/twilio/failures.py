"""Twilio's refusals in our words. Its own texts and URLs repeat phone numbers: none is passed on, not even as a cause."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from b2bpilot.errors import PilotError

CREDENTIALS_HINT = "check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN in the environment's secret"
NOT_ACTIVE = frozenset({20005, 20006})
"""Twilio's error codes for an account that is suspended or closed, and for access that was taken away."""


class TwilioFailed(PilotError):
    """Twilio refused a request, for a reason that is its own."""

    code = "twilio_failed"


class TwilioDenied(TwilioFailed):
    """Twilio does not accept the token, or the account is not active."""

    code = "twilio_denied"


class TwilioUnreachable(TwilioFailed):
    """Twilio did not answer."""

    code = "twilio_unreachable"


class TwilioThrottled(TwilioFailed):
    """Twilio asked to slow down, for longer than was waited. Nothing was done."""

    code = "twilio_throttled"


class TwilioUnreadable(TwilioFailed):
    """Twilio's answer is not complete, or not what its API description says."""

    code = "twilio_unreadable"


class TwilioNotFound(TwilioFailed):
    """Twilio has no such resource in this account."""

    code = "not_found"


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn the SDK's errors into ours. `what` was asked, such as `list messages`."""
    import requests
    from twilio.base.exceptions import TwilioException

    try:
        yield
    except TwilioException as exc:
        raise _refusal(exc, what) from None
    except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError):
        raise _half(what) from None
    except requests.Timeout:
        raise TwilioUnreachable(f"{what}: Twilio did not answer in time") from None
    except requests.RequestException as exc:
        raise TwilioUnreachable(
            f"{what}: Twilio was not reached ({type(exc).__name__})",
            hint="check the network, proxies and TWILIO_API_URL",
        ) from None
    except (ValueError, AttributeError, KeyError, TypeError):
        raise _half(what) from None


def _half(what: str) -> TwilioUnreadable:
    return TwilioUnreadable(f"{what}: Twilio's answer was cut off or is not JSON", hint="run it again")


def _refusal(exc: Any, what: str) -> TwilioFailed:
    status, code = _status_and_code(exc)
    said = f"Twilio answered {status}" + (f", error {code}" if code and code != status else "")
    match status:
        case _ if code in NOT_ACTIVE:
            return TwilioDenied(
                f"{what}: the Twilio account is not active ({said})", hint="see the console's billing page"
            )
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            return TwilioDenied(f"{what}: Twilio refused the token ({said})", hint=CREDENTIALS_HINT)
        case HTTPStatus.NOT_FOUND:
            return TwilioNotFound(f"{what}: Twilio has no such thing in this account ({said})")
        case HTTPStatus.TOO_MANY_REQUESTS:
            return TwilioThrottled(f"{what}: Twilio is throttling ({said})", hint="run it again later")
        case None:
            return _half(what)
    return TwilioFailed(f"{what}: {said}", hint=f"see twilio.com/docs/api/errors/{code}" if code else None)


def _status_and_code(exc: Any) -> tuple[int | None, int | None]:
    """A page that was refused is reported with its response only: the SDK reads no error code there."""
    if hasattr(exc, "status"):
        return exc.status, exc.code
    response = next((each for each in exc.args if hasattr(each, "status_code")), None)
    if response is None:
        return None, None
    try:
        code = json.loads(response.text).get("code")
    except (ValueError, AttributeError):
        code = None
    return response.status_code, code
