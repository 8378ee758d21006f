"""Account, API key, region and edge: obeyed alike by the replies and by the commands, or refused by name."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from b2bpilot.errors import SettingsInvalid
from b2bpilot.local.twilio.server import TwilioDouble
from b2bpilot.twilio.replies import TwilioReplier
from b2bpilot.twilio.rest import TwilioAccess, access_of
from tests.twilio.double import ACCOUNT_SID, TOKEN, connected
from tests.twilio.test_replies import CREATED, FROM, TO, Wire

KEY, SECRET = "SK" + "7" * 32, "the key's secret"
BASE = {"TWILIO_ACCOUNT_SID": ACCOUNT_SID, "TWILIO_AUTH_TOKEN": TOKEN}
PLACES = [
    ({}, "api.twilio.com"),
    ({"TWILIO_REGION": "ie1", "TWILIO_EDGE": "dublin"}, "api.dublin.ie1.twilio.com"),
    ({"TWILIO_EDGE": "ashburn"}, "api.ashburn.us1.twilio.com"),
    ({"TWILIO_REGION": "us1"}, "api.us1.twilio.com"),
]


def given(values: dict[str, str]) -> TwilioAccess:
    access = access_of({**BASE, **values}, api_url=None)
    assert access is not None
    return access


def reply(access: TwilioAccess) -> dict[str, Any]:
    """Return the request that a reply is."""
    wire = Wire(CREATED)
    TwilioReplier(
        account_sid=access.account_sid,
        auth_token=access.auth_token,
        api_key=access.api_key,
        api_secret=access.api_secret,
        region=access.region,
        edge=access.edge,
        text="Thank you!",
        http_client=wire,
    ).send(to=TO, from_=FROM)
    return wire.requests[0]


@pytest.mark.parametrize(("values", "host"), PLACES)
def test_replies_and_commands_ask_the_same_host(
    values: dict[str, str], host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the process's own variables say: the SDK reads them where nobody stops it."""
    monkeypatch.setenv("TWILIO_REGION", "au1")
    monkeypatch.setenv("TWILIO_EDGE", "sydney")
    access = given(values)

    assert access.connect().client.get_hostname("https://api.twilio.com/") == f"https://{host}/"
    assert reply(access)["url"].startswith(f"https://{host}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages")


def test_with_an_api_key_replies_and_commands_ask_with_it(double: TwilioDouble) -> None:
    double.account = replace(double.account, api_key=(KEY, SECRET))
    access = given({"TWILIO_API_KEY": KEY, "TWILIO_API_SECRET": SECRET})

    assert reply(access)["auth"] == (KEY, SECRET)
    account = replace(access, api_url=double.url).connect().account()
    assert (account.sid, account.status, account.is_active) == (ACCOUNT_SID, None, True)
    assert connected(double).account().status == "active"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"TWILIO_ACCOUNT_SID": KEY}, "TWILIO_ACCOUNT_SID is the SID of an API key"),
        ({"TWILIO_API_KEY": KEY}, "of TWILIO_API_KEY and TWILIO_API_SECRET one is missing"),
        ({"TWILIO_API_SECRET": SECRET}, "of TWILIO_API_KEY and TWILIO_API_SECRET one is missing"),
        ({"TWILIO_API_KEY": "ana", "TWILIO_API_SECRET": "x"}, "TWILIO_API_KEY is not the SID of an API key"),
        ({"TWILIO_REGION": "ie1"}, "TWILIO_REGION is ie1 without TWILIO_EDGE"),
        ({"TWILIO_REGION": "x.evil.example/?"}, "TWILIO_REGION is 'x.evil.example/?'"),
        ({"TWILIO_EDGE": "Dublin"}, "TWILIO_EDGE is 'Dublin'"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name_by_replies_and_commands(
    values: dict[str, str], words: str
) -> None:
    access = given(values)

    for refuse in (access.connect, lambda: reply(access)):
        with pytest.raises(SettingsInvalid) as found:
            refuse()
        assert words in str(found.value)
        assert SECRET not in str(found.value)


def test_the_secret_s_url_of_twilio_s_hosts_counts_for_commands_too(double: TwilioDouble) -> None:
    """The functions read it there."""
    secret = {**BASE, "TWILIO_API_URL": double.url}
    found, other = access_of(secret, api_url=None), access_of(secret, api_url="https://proxy.example")

    assert found is not None
    assert other is not None
    assert (found.api_url, other.api_url) == (double.url, "https://proxy.example")


def test_no_secret_stands_in_a_repr() -> None:
    shown = repr(given({"TWILIO_API_KEY": KEY, "TWILIO_API_SECRET": SECRET}))

    for secret in (SECRET, TOKEN, base64.b64encode(SECRET.encode()).decode()):
        assert secret not in shown
