"""What anybody may send to the webhook's URL, over HTTP and through the deployed API: refused, unstored, and nothing breaks."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

import psycopg
import pytest
from hypothesis import event as seen
from hypothesis import given
from hypothesis import strategies as st

from b2bpilot.pipeline.message import message_id_of
from b2bpilot.twilio.signature import SIGNATURE_HEADER, signature_for, url_for_body
from tests.events import TWILIO_PARAMS, new_sid
from tests.fuzz import attacks
from tests.local.conftest import Machine
from tests.local.polling import eventually

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
A_SIGNATURE = f"{'A' * 27}="
PATIENCE_SECONDS = 60


class Caller:
    """A stranger with one connection, and another when it was closed."""

    def __init__(self, url: str) -> None:
        self.parts = urlsplit(url)
        self.connection = http.client.HTTPConnection(
            self.parts.hostname or "", self.parts.port, timeout=PATIENCE_SECONDS
        )

    def send(self, method: str, target: str, headers: dict[str, str], body: bytes | None) -> int:
        try:
            self.connection.request(method, target, body, headers)
            answer = self.connection.getresponse()
            answer.read()
        except (ConnectionError, http.client.HTTPException):
            self.connection.close()
            raise
        return answer.status

    def post(self, body: bytes, content_type: str, signature: str, *, query: str = "") -> int:
        target = f"{self.parts.path}?{query}" if query else self.parts.path
        return self.send("POST", target, {"content-type": content_type, SIGNATURE_HEADER: signature}, body)


@pytest.fixture(scope="module")
def caller(environment: Machine) -> Iterator[Caller]:
    found = Caller(environment.state.webhook_url)
    yield found
    found.connection.close()


@contextmanager
def no_new_row(environment: Machine) -> Iterator[None]:
    before = rows(environment)
    yield
    assert rows(environment) == before


def rows(environment: Machine) -> int:
    return int(asked(environment, "SELECT count(*) FROM b2b_pilot_user_submissions")[0][0])


def asked(environment: Machine, query: str, *values: object) -> list[Any]:
    with psycopg.connect(environment.state.database_url) as connection:
        return connection.execute(query.encode(), values).fetchall()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("&".join(f"n{number}=" for number in range(100_000)), id="100,000 names"),
        pytest.param("a=1&" * 200_000, id="one name 200,000 times"),
        pytest.param(f"Body={'x' * 5_000_000}", id="5 MB in one value"),
    ],
)
@pytest.mark.parametrize("signature", ["", A_SIGNATURE], ids=["no signature", "a wrong one"])
def test_what_is_no_message_is_refused(
    environment: Machine, caller: Caller, body: str, signature: str
) -> None:
    with no_new_row(environment):
        assert caller.post(body.encode(), FORM, signature) in (403, 413)


def test_a_signed_test_message_that_somebody_sends_again_is_one_row(
    environment: Machine, caller: Caller
) -> None:
    """Without an id: whoever saw the request once, in a proxy's log for instance, can send it as often as they like."""
    body = json.dumps({"test": f"seen by a stranger {new_sid()}"}).encode()
    state = environment.state
    url = url_for_body(state.webhook_url, body)
    signature = signature_for(state.twilio_auth_token, url, {})

    sent = [caller.post(body, JSON, signature, query=urlsplit(url).query) for _ in range(3)]

    def stored() -> list[Any]:
        query = "SELECT status FROM b2b_pilot_user_submissions WHERE message_id = %s"
        return [row for row in asked(environment, query, message_id_of(body)) if row == ("completed",)]

    assert sent == [200] * 3
    assert eventually(stored, "the row") == [("completed",)]
    caller_after = caller.post(body, JSON, signature, query=urlsplit(url).query)
    assert (caller_after, len(stored())) == (200, 1)


PARAMS = {**TWILIO_PARAMS, "MessageSid": "SM00000000000000000000000000000bad"}
VALUES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=40
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            *("content-type", "Content-Type", "X-Twilio-Signature", "x-twilio-signature", "cookie", "expect"),
            *(
                "x-twilio-webhooks-signature-settings",
                "x-forwarded-host",
                "x-forwarded-for",
                "transfer-encoding",
            ),
            *(
                "content-encoding",
                "accept",
                "x-amz-invocation-type",
                "user-agent",
                "authorization",
                "te",
                "upgrade",
            ),
        ]
    ),
    st.sampled_from(
        [
            *(
                FORM,
                JSON,
                f"{FORM}; charset=utf-16",
                "multipart/form-data; boundary=x",
                "text/xml",
                A_SIGNATURE,
                "",
                "*",
            ),
            *(
                "key=SK1,algorithm=HMAC_SHA256",
                "algorithm=,=,",
                "gzip",
                "a=1; b",
                "Event",
                "trailers",
                "evil.example",
            ),
        ]
    )
    | VALUES,
    max_size=5,
).map(lambda found: {name: value for name, value in found.items() if name not in HOP_BY_HOP})
HOP_BY_HOP = {"transfer-encoding", "expect", "upgrade", "te"}
"""They are the server's business, not the function's: HTTP itself breaks with them, as it should."""
BODIES = (
    st.sampled_from(
        [
            None,
            b"",
            b"{}",
            b"[]",
            b"null",
            b'{"test": "x"}',
            b"a=1",
            b"%",
            b"%ff%fe",
            b"\x00",
            b"&&&",
            b"=" * 99,
        ]
    )
    | st.binary(max_size=200)
    | st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=6).map(
        lambda found: json.dumps(found).encode()
    )
    | st.dictionaries(st.sampled_from([*PARAMS, "x"]), VALUES, max_size=8).map(
        lambda found: urlencode(found).encode()
    )
    | st.integers(0, 300_000).map(lambda size: b"Body=" + b"x" * size)
)
QUERIES = st.sampled_from(
    ["", "?", "?a=1", "?%", "?%ff", "?bodySHA256=", "?a=%ED%A0%80", "?#", "?" + "a" * 2_000]
) | st.text("abc%=&0", max_size=20).map("?".__add__)
METHODS = st.sampled_from(["POST"] * 8 + ["GET", "PUT", "HEAD", "OPTIONS"])


@given(
    method=METHODS,
    query=QUERIES,
    headers=HEADERS,
    body=BODIES,
    signed=st.sampled_from(["no", "another body", "another token"]),
)
@attacks(40, whole=5_000)
def test_what_is_not_signed_is_refused_whatever_it_is(
    environment: Machine,
    caller: Caller,
    *,
    method: str,
    query: str,
    headers: dict[str, str],
    body: bytes | None,
    signed: str,
) -> None:
    state = environment.state
    if signed != "no":
        token = "f" * 32 if signed == "another token" else state.twilio_auth_token
        headers = {
            "content-type": FORM,
            SIGNATURE_HEADER: signature_for(token, state.webhook_url, PARAMS),
        } | headers
    status = caller.send(method, caller.parts.path + query, headers, body)

    seen(f"answered {status}")
    assert 400 <= status < 500


def test_nothing_of_it_was_stored_and_the_webhook_lives(environment: Machine, caller: Caller) -> None:
    """The row of the parameters that the signatures above cover, and one that is signed as it should be."""
    params = {**TWILIO_PARAMS, "MessageSid": new_sid()}
    signature = signature_for(environment.state.twilio_auth_token, environment.state.webhook_url, params)
    count = "SELECT count(*) FROM b2b_pilot_user_submissions WHERE message_sid = %s"

    assert caller.post(urlencode(params).encode(), FORM, signature) == 200
    assert asked(environment, count, PARAMS["MessageSid"]) == [(0,)]
