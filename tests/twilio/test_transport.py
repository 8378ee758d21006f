"""What is asked again, when, and what never: by the SDK's own hook for HTTP clients."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from twilio.http.response import Response

from b2bpilot.twilio.transport import PAUSES_SECONDS, Patient, located
from tests.clock import StillClock


class Wire:
    """Gives each request the next answer, or raises it."""

    def __init__(self, *answers: Response | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0

    def request(self, method: str, url: str, **rest: Any) -> Any:
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


pytestmark = pytest.mark.usefixtures("clock")


OK, THROTTLED, BROKEN = Response(200, "{}"), Response(429, "{}"), Response(503, "{}")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_throttling_is_waited_out_with_growing_pauses(method: str, clock: StillClock) -> None:
    wire = Wire(THROTTLED, THROTTLED, THROTTLED, OK)

    assert Patient(wire).request(method, "https://x").status_code == 200
    assert clock.pauses == [0.5, 1.0, 2.0]


def test_throttling_that_does_not_end_is_an_answer_in_the_end() -> None:
    wire = Wire(*[THROTTLED] * 9)

    assert Patient(wire).request("GET", "https://x").status_code == 429
    assert wire.asked == len(PAUSES_SECONDS) + 1


def test_twilio_may_ask_for_a_longer_pause_but_not_for_an_hour(clock: StillClock) -> None:
    wire = Wire(Response(429, "{}", {"Retry-After": "7"}), Response(429, "", {"Retry-After": "3600"}), OK)

    Patient(wire).request("GET", "https://x")

    assert clock.pauses == [7.0, 30.0]


@pytest.mark.parametrize("failure", [BROKEN, requests.ConnectionError(), requests.ReadTimeout()])
def test_what_changes_something_is_never_sent_twice_after_a_failure(failure: Response | Exception) -> None:
    wire = Wire(failure, OK)

    if isinstance(failure, Exception):
        with pytest.raises(requests.RequestException):
            Patient(wire).request("POST", "https://x")
    else:
        assert Patient(wire).request("POST", "https://x").status_code == 503
    assert wire.asked == 1


@pytest.mark.parametrize("failure", [BROKEN, requests.ConnectionError(), requests.ReadTimeout()])
def test_what_only_reads_is_asked_again_after_a_failure(failure: Response | Exception) -> None:
    assert Patient(Wire(failure, OK)).request("GET", "https://x").status_code == 200


def test_a_pause_is_for_everybody(clock: StillClock) -> None:
    shared = Patient(Wire(THROTTLED, OK, OK))
    shared.request("GET", "https://x")
    clock.now -= 0.2

    shared.request("GET", "https://x")

    assert clock.pauses == [0.5, pytest.approx(0.2)]


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://api.twilio.com/2010-04-01/A.json?To=%2B1", "http://d/api/2010-04-01/A.json?To=%2B1"),
        ("https://messaging.ie1.twilio.com/v1/Services", "http://d/messaging/v1/Services"),
        ("https://example.com/x", "https://example.com/x"),
    ],
)
def test_only_twilios_hosts_are_asked_for_elsewhere(url: str, found: str) -> None:
    assert located(url, "http://d/") == found
    assert located(url, None) == url
