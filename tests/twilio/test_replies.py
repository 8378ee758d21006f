"""Replies through the real SDK; only its HTTP client is replaced, at the place the SDK has for it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from twilio.http import HttpClient
from twilio.http.response import Response
from urllib3.exceptions import MaxRetryError, NewConnectionError

from b2bpilot.errors import ReplyNotSent, ReplyRefused, ReplyUnknown
from b2bpilot.twilio.replies import TokenRefused, TwilioReplier
from tests.clock import StillClock

pytestmark = pytest.mark.usefixtures("clock")

TO, FROM = "+15005550006", "+15005550001"
CREATED = Response(201, json.dumps({"sid": "SM1", "status": "queued"}))


class Wire(HttpClient):
    """Gives each request the next answer, or raises it."""

    def __init__(self, *answers: Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[dict[str, Any]] = []

    def request(self, method: str, url: str, *_: Any, **others: Any) -> Response:  # type: ignore[override]
        self.requests.append({"method": method, "url": url, **others})
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def refusal(status: int, code: int | None = None) -> Response:
    text = f"The 'To' number {TO} is not valid"
    return Response(status, json.dumps({"status": status, "code": code, "message": text}))


def replier(wire: Wire) -> TwilioReplier:
    return TwilioReplier(account_sid="AC1", auth_token="token", text="Thank you!", http_client=wire)


def test_a_reply_goes_from_our_number_to_the_sender() -> None:
    wire = Wire(CREATED)

    assert replier(wire).send(to=TO, from_=FROM) == "SM1"

    (request,) = wire.requests
    assert request["method"] == "POST"
    assert request["url"].endswith("/2010-04-01/Accounts/AC1/Messages.json")
    assert request["data"] == {"To": TO, "From": FROM, "Body": "Thank you!"}


def test_too_many_requests_is_tried_again_with_growing_pauses(clock: StillClock) -> None:
    wire = Wire(refusal(429, 20429), refusal(429, 20429), CREATED)

    assert replier(wire).send(to=TO, from_=FROM) == "SM1"
    assert clock.pauses == [0.5, 1.0]


def test_too_many_requests_for_long_was_not_sent() -> None:
    wire = Wire(*[refusal(429, 20429)] * 4)

    with pytest.raises(ReplyNotSent, match="429, error 20429"):
        replier(wire).send(to=TO, from_=FROM)
    assert len(wire.requests) == 4


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refusal(400, 21610), ReplyRefused),
        (refusal(400, 21211), ReplyRefused),
        (refusal(400, 21611), ReplyNotSent),
        (refusal(401, 20003), TokenRefused),
        (refusal(403, 20005), ReplyNotSent),
        (refusal(408), ReplyUnknown),
        (refusal(408, 20408), ReplyUnknown),
        (Response(499, ""), ReplyUnknown),
        (Response(400, "<html>Bad Request</html>"), ReplyUnknown),
        (Response(307, ""), ReplyUnknown),
        (refusal(500), ReplyUnknown),
        (refusal(503, 20503), ReplyUnknown),
        (Response(201, json.dumps({"status": "queued"})), ReplyUnknown),
        (requests.ConnectTimeout(), ReplyNotSent),
        (requests.ReadTimeout(), ReplyUnknown),
        (requests.ConnectionError(), ReplyUnknown),
        (requests.ConnectionError(MaxRetryError(None, "/", NewConnectionError(None, ""))), ReplyNotSent),
        (Response(201, '{"sid": "SM1", "sta'), ReplyUnknown),
    ],
)
def test_an_answer_is_judged_once_and_its_text_names_nobody(
    answer: Response | Exception, error: type[Exception]
) -> None:
    wire = Wire(answer)

    with pytest.raises(error) as raised:
        replier(wire).send(to=TO, from_=FROM)

    assert type(raised.value) is error
    assert TO not in str(raised.value)
    assert len(wire.requests) == 1
