"""Twilio's errors in our words: each with its meaning, none with Twilio's own text."""

from __future__ import annotations

import traceback

import pytest
import requests
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.response import Response

from b2bpilot.twilio.failures import (
    TwilioDenied,
    TwilioFailed,
    TwilioNotFound,
    TwilioThrottled,
    TwilioUnreachable,
    TwilioUnreadable,
    translated,
)

NUMBER = "15005550009"
TEXT = f"The 'To' number +{NUMBER} is not valid"


def refused(status: int, code: int) -> TwilioRestException:
    return TwilioRestException(status, f"/Messages.json?To=%2B{NUMBER}", TEXT, code)


def page_refused(status: int, text: str) -> TwilioException:
    return TwilioException("Unable to fetch page", Response(status, text))


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (refused(401, 20003), TwilioDenied),
        (refused(403, 20005), TwilioDenied),
        (refused(404, 20404), TwilioNotFound),
        (refused(429, 20429), TwilioThrottled),
        (refused(408, 408), TwilioUnreachable),
        (refused(400, 21211), TwilioFailed),
        (page_refused(401, '{"code": 20003}'), TwilioDenied),
        (page_refused(503, "<html>"), TwilioFailed),
        (TwilioException("Page Records can not be deserialized"), TwilioUnreadable),
        (requests.ConnectionError(f"https://api.twilio.com/?To={NUMBER}"), TwilioUnreachable),
        (requests.ReadTimeout(), TwilioUnreachable),
        (requests.exceptions.ChunkedEncodingError(), TwilioUnreadable),
        (ValueError("Expecting value"), TwilioUnreadable),
    ],
)
def test_an_error_says_what_was_asked_and_nobodys_number(
    raised: Exception, expected: type[TwilioFailed]
) -> None:
    with pytest.raises(expected) as found, translated("list messages"):
        raise raised

    assert type(found.value) is expected
    assert str(found.value).startswith("list messages: ")
    assert NUMBER not in "".join(traceback.format_exception(found.value))


@pytest.mark.parametrize(
    ("status", "code", "words", "not_said"),
    [
        (401, 20003, "refused the token", "not active"),
        (401, 20006, "no sufficient privileges", "not active"),
        (403, 20006, "no sufficient privileges", "not active"),
        (403, 20005, "is not active", "token"),
        (403, 10001, "is not active", "token"),
        (403, 20403, "lacks permission to use Twilio's API; typically it is suspended or closed", "token"),
        (401, 70051, "could not authorize the request", "token"),
        (403, 70051, "could not authorize the request", "token"),
    ],
)
def test_a_denial_says_what_twilio_documents_of_its_code(
    status: int, code: int, words: str, not_said: str
) -> None:
    with pytest.raises(TwilioDenied) as found, translated("read the account"):
        raise refused(status, code)

    assert words in str(found.value)
    assert not_said not in str(found.value)


@pytest.mark.parametrize("status", [401, 403, 404, 407, 502])
def test_what_has_no_error_code_of_twilio_s_need_not_be_twilio_s(status: int) -> None:
    """A proxy's page says nothing of the account, its credentials, or what it has."""
    for raised in (refused(status, status), page_refused(status, "<html>")):
        with pytest.raises(TwilioFailed) as found, translated("read message SM1"):
            raise raised

        assert type(found.value) is TwilioFailed
        assert str(found.value) == f"read message SM1: Twilio, or a proxy on the way, answered {status}"
        assert "proxies" in str(found.value.hint)
