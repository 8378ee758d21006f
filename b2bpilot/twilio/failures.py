"""Twilio's refusals in our words. Its own texts and URLs repeat phone numbers: none is passed on, not even as a cause."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from b2bpilot.advice import Words
from b2bpilot.errors import PilotError
from b2bpilot.twilio.sent import never_left

if TYPE_CHECKING:
    import requests

CREDENTIALS_HINT = (
    "check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN in the environment's secret; Twilio answers so for an account that is"
    " suspended or closed, too, and for credentials of another Twilio region"
)
BILLING_HINT = "see the account's status and balance in Twilio's console"
NOT_ACTIVE = "the Twilio account is not active"
REFUSED_TOKEN = ("Twilio refused the token", CREDENTIALS_HINT)
DENIALS = {
    20003: REFUSED_TOKEN,
    10001: (NOT_ACTIVE, BILLING_HINT),
    20005: (NOT_ACTIVE, BILLING_HINT),
    90010: (NOT_ACTIVE, BILLING_HINT),
    20006: (
        "the credentials have no sufficient privileges for it",
        "use the account's own token, or an API key that may do it",
    ),
    20403: (
        "the account lacks permission to use Twilio's API; typically it is suspended or closed",
        BILLING_HINT,
    ),
    70051: (
        (
            "Twilio could not authorize the request: the account or the API key is not found or suspended, the credentials"
            " are another account's, or a restricted key lacks the permission"
        ),
        "check the account's status and the credentials in the environment's secret",
    ),
}
"""What Twilio's error codes mean and what to do, as its dictionary has them (twilio.com/docs/api/errors/CODE)."""


class TwilioFailed(PilotError):
    """Twilio refused a request, for a reason that is its own. `is_unknown` where it may have done it all the same."""

    code = "twilio_failed"

    def __init__(self, message: str, *, hint: Words | None = None, is_unknown: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.is_unknown = is_unknown


class TwilioDenied(TwilioFailed):
    """Twilio does not accept the credentials, or they may not do this, or the account is not active."""

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


STATUSES: dict[int, tuple[type[TwilioFailed], str, str | None]] = {
    HTTPStatus.UNAUTHORIZED: (TwilioDenied, *REFUSED_TOKEN),
    HTTPStatus.FORBIDDEN: (TwilioDenied, "Twilio does not allow it", None),
    HTTPStatus.NOT_FOUND: (TwilioNotFound, "Twilio has no such thing in this account", None),
    HTTPStatus.REQUEST_TIMEOUT: (TwilioUnreachable, "Twilio did not answer in time", "run it again"),
    HTTPStatus.TOO_MANY_REQUESTS: (TwilioThrottled, "Twilio is throttling", "run it again later"),
}
"""What an HTTP status means where no code says more, and what to do."""
MEANT_BY_TWILIO = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
"""They mean that only with an error code of Twilio's: a proxy's page says nothing of an account, or of what it has."""
NOT_TWILIO = "run it again; check the network, proxies and TWILIO_API_URL"


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
    except requests.ReadTimeout:
        raise TwilioUnreachable(f"{what}: Twilio did not answer in time", is_unknown=True) from None
    except requests.RequestException as exc:
        raise _unanswered(exc, what) from None
    except (ValueError, AttributeError, KeyError, TypeError):
        raise _half(what) from None


def _unanswered(exc: requests.RequestException, what: str) -> TwilioUnreachable:
    """Only what never left is certain not to have reached Twilio."""
    is_unsent = never_left(exc)
    happened = "Twilio was not reached" if is_unsent else "the connection to Twilio broke before an answer"
    return TwilioUnreachable(
        f"{what}: {happened} ({type(exc).__name__})",
        hint="check the network, proxies and TWILIO_API_URL",
        is_unknown=not is_unsent,
    )


def _half(what: str) -> TwilioUnreadable:
    return TwilioUnreadable(
        f"{what}: Twilio's answer was cut off or is not JSON", hint="run it again", is_unknown=True
    )


def _refusal(exc: Any, what: str) -> TwilioFailed:
    status, code = _status_and_code(exc)
    if status is None:
        return _half(what)
    is_twilios = code is not None and code != status
    said = answered(status, code)
    if code in DENIALS:
        meaning, hint = DENIALS[code]
        return TwilioDenied(f"{what}: {meaning} ({said})", hint=hint)
    is_unknown = not _is_refused(status, code)
    if status in STATUSES and (is_twilios or status not in MEANT_BY_TWILIO):
        error, words, advice = STATUSES[status]
        return error(
            f"{what}: {words} ({said})", hint=advice or _page_of(code, status), is_unknown=is_unknown
        )
    hint = _page_of(code, status) or NOT_TWILIO
    return TwilioFailed(f"{what}: {said}", hint=hint, is_unknown=is_unknown)


def answered(status: int, code: int | None) -> str:
    """Say who answered: Twilio's refusals have an error code of its own, a proxy's page has none."""
    if code is None or code == status:
        return f"Twilio, or a proxy on the way, answered {status}"
    return f"Twilio answered {status}, error {code}"


def _is_refused(status: int, code: int | None) -> bool:
    """Only what Twilio refuses with an error code of its own was certainly not done, and what these statuses always mean:
    any other answer may be a proxy's."""
    if (
        status == HTTPStatus.REQUEST_TIMEOUT
        or not HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    ):
        return False
    return status in STATUSES or (code is not None and code != status)


def _page_of(code: int | None, status: int | None) -> str | None:
    """An HTTP status that stands for a code has no page there."""
    return f"see twilio.com/docs/api/errors/{code}" if code and code != status else None


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
