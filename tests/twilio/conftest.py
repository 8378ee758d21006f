"""A double of Twilio for each test, and the SDK connected to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from b2bpilot.local.twilio.server import TwilioDouble
from b2bpilot.twilio.rest import Twilio
from tests.twilio.double import connected, running_double


@pytest.fixture
def double() -> Iterator[TwilioDouble]:
    with running_double() as found:
        yield found


@pytest.fixture
def twilio(double: TwilioDouble) -> Twilio:
    return connected(double)
