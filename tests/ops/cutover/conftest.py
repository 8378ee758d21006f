"""A double of Twilio for each test, and a journal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from b2bpilot.local.twilio.server import TwilioDouble
from b2bpilot.ops.runs.journal import Journal
from b2bpilot.twilio.rest import Twilio
from tests.clock import StillClock
from tests.twilio.double import connected, running_double


@pytest.fixture(autouse=True)
def no_pauses(clock: StillClock) -> None:
    """Nobody waits for Twilio here."""


@pytest.fixture
def double() -> Iterator[TwilioDouble]:
    with running_double() as found:
        yield found


@pytest.fixture
def twilio(double: TwilioDouble) -> Twilio:
    return connected(double)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.create(
        tmp_path,
        command="cutover",
        environment="staging",
        account_id="1",
        region="eu-west-1",
        operator="ana",
        reason=None,
        parameters={},
    ) as found:
        yield found
