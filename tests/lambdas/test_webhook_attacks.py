"""What anybody can send to the webhook: refused before it costs more than its bytes, and never published unsigned."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import event as seen
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator, get_signature_algorithm

from b2bpilot.pipeline.message import Encoded
from b2bpilot.twilio.signature import SETTINGS_HEADER, Parameters
from lambdas.webhook_handler import handler as webhook
from lambdas.webhook_handler.request import MAX_BODY_BYTES, MAX_FIELDS
from tests.events import new_sid
from tests.fuzz import attacks
from tests.lambdas.webhook_deployment import (
    FORM,
    TOKEN,
    URL,
    Topic,
    call,
    event,
    form,
    json_event,
    params,
    signed_form,
)
from tests.lambdas.wrong_events import WHATEVER

A_SIGNATURE = f"{'A' * 27}="


def unsigned(pairs: Iterable[tuple[str, str]], signature: str = A_SIGNATURE) -> dict[str, Any]:
    return event(urlencode(list(pairs)), {"content-type": FORM, "x-twilio-signature": signature})


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("&".join(f"n{number}=" for number in range(100_000)), id="100,000 names"),
        pytest.param("a=1&" * 200_000, id="one name 200,000 times"),
        pytest.param(f"Body={'x' * 5_000_000}", id="5 MB in one value"),
    ],
)
@pytest.mark.parametrize("encoded", [False, True])
def test_what_is_no_message_is_refused_before_its_signature_is_computed(
    topic: Topic, body: str, *, encoded: bool
) -> None:
    request = event(body, {"content-type": FORM, "x-twilio-signature": A_SIGNATURE}, encoded=encoded)

    answer, computed = counting(RequestValidator.compute_signature, lambda: call(request))

    assert (answer["statusCode"], computed) == (413, 0)


def test_the_largest_message_that_sns_takes_is_below_the_limits(topic: Topic) -> None:
    """Nothing takes more of a form, for each byte that SNS counts, than punctuation."""
    request = form(params(Body="!" * 260_000))

    assert 3 * 260_000 < len(request["body"]) < MAX_BODY_BYTES
    assert call(request)["statusCode"] == 200


def test_many_fields_are_taken_up_to_the_limit(topic: Topic) -> None:
    pairs = [("MessageSid", new_sid()), *((f"n{number}", "") for number in range(MAX_FIELDS - 1))]

    assert call(signed_form(pairs))["statusCode"] == 200
    assert call(signed_form([*pairs, ("one", "more")]))["statusCode"] == 413


@pytest.mark.parametrize(
    "signature", ["AAAA", "A" * 28, "A" * 10_000, f"{'é' * 27}=", f"{A_SIGNATURE}\n", " "]
)
def test_what_can_be_no_signature_is_compared_with_none(topic: Topic, signature: str) -> None:
    request = unsigned(params().items(), signature)

    answer, computed = counting(RequestValidator.compute_signature, lambda: call(request))

    assert (answer["statusCode"], computed) == (403, 0)


def test_a_wrong_signature_is_computed_once_while_nothing_was_read_anew(topic: Topic) -> None:
    request = unsigned(params().items())
    first, of_one_check = counting(RequestValidator.validate, lambda: call(request))
    secrets, urls = webhook._configuration.current().secrets.auth_tokens, [URL]

    assert (first["statusCode"], of_one_check) == (403, len(secrets) * len(urls))


def test_twice_the_fields_cost_twice_the_work(topic: Topic) -> None:
    call(unsigned(params().items()))

    def cost(fields: int) -> int:
        request = unsigned((f"n{number}", f"v{number}") for number in range(fields))
        return operations(lambda: call(request))

    assert cost(1_600) <= 2.2 * cost(800)
    assert cost(800) <= 2.2 * cost(400)


def test_twice_the_values_of_a_name_cost_twice_the_work(topic: Topic) -> None:
    call(unsigned(params().items()))

    def cost(values: int) -> int:
        request = unsigned(("name", f"v{number}") for number in range(values))
        return operations(lambda: call(request))

    assert cost(1_600) <= 2.2 * cost(800)


SPOILED = st.fixed_dictionaries(
    {},
    optional={
        name: WHATEVER | st.text(st.characters(categories=["Cs", "Cc", "L"]), max_size=12)
        for name in ("version", "rawQueryString", "headers", "requestContext", "body", "isBase64Encoded")
    },
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["content-type", "x-twilio-signature", "x-twilio-webhooks-signature-settings", "X-Twilio-Signature"]
    ),
    st.sampled_from([FORM, "application/json", A_SIGNATURE, "key=SK1,algorithm=HMAC_SHA256", "algorithm=,=,"])
    | WHATEVER,
)


@given(
    spoiled=SPOILED, headers=HEADERS, absent=st.sets(st.sampled_from(["headers", "body", "rawQueryString"]))
)
@attacks(50, whole=5_000)
def test_an_event_of_a_wrong_shape_is_refused(
    topic: Topic, *, spoiled: dict[str, object], headers: dict[str, object], absent: set[str]
) -> None:
    request = unsigned(params().items())
    request["headers"] |= headers
    request = {name: value for name, value in request.items() if name not in absent} | spoiled

    assert call(request)["statusCode"] in (403, 413)


NAMES = st.sampled_from(
    ["Body", "From", "Tag", "MediaUrl0", "", "MessageSid", "a+b", "a%20", "&", "é", "\U0001f69a"]
) | st.text(max_size=6)
SIGNED = {
    "by us": ["as it is", "in another order", "with one twice", "by the next token", "by a key"],
    "by others": ["by another", "not", "by the next token", "by a key"],
    "for other parameters": ["without its last", "with one more", "with another value", "with one twice"],
    "for other URLs": ["for another URL", "without the query", "with its port", "with another query"],
}
QUERIES = st.sampled_from(["", "a=1", "a=%20&b=", "#", "a=1&a=2", "bodySHA256=00", "%F0%9F%9A%9A"])


class Taker:
    """A topic that takes everything, and nothing else: of 20,000 requests half are published."""

    def __init__(self) -> None:
        self.taken = 0

    def publish(self, _: Encoded) -> str:
        self.taken += 1
        return "id"


@pytest.fixture
def taker(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> Taker:
    found = Taker()
    monkeypatch.setattr(webhook, "_topic", lambda _: found)
    return found


@pytest.mark.parametrize("kind", SIGNED)
@given(data=st.data(), pairs=st.lists(st.tuples(NAMES, st.text(max_size=12)), max_size=8), query=QUERIES)
@attacks(25, whole=5_000)
def test_it_takes_what_twilios_own_validator_takes(
    taker: Taker, kind: str, *, data: st.DataObject, pairs: list[tuple[str, str]], query: str
) -> None:
    """For each token that is ours, with the URL that was called. Its one more: the configured URL, whatever was called
    behind its `?`. What no status callback and no message has is refused, and never for its signature."""
    signed, before = data.draw(st.sampled_from(SIGNED[kind])), taker.taken
    pairs = [("SmsSid", new_sid()), *pairs]
    called = f"{URL}?{query}" if query else URL
    signature, settings_header = signature_of(pairs, signed, called)
    headers = {"content-type": FORM, "x-twilio-signature": signature}
    if settings_header:
        headers[SETTINGS_HEADER] = settings_header
    request = event(urlencode(pairs), headers, query)

    def validated(url: str) -> bool:
        secrets = ["shared-secret"] if settings_header else [TOKEN, "the-new-token"]
        return any(
            RequestValidator(secret).validate(
                url, Parameters(pairs), signature, algorithm_of(settings_header)
            )
            for secret in secrets
        )

    status = call(request)["statusCode"]
    taken, is_explained = validated(called), validated(URL)
    seen(
        f"{signed}: {'taken' if taken else 'taken for the URL without its query' if is_explained else 'refused'}"
    )
    assert (status != 403) == (taken or is_explained)
    assert taker.taken - before <= (taken or is_explained)


def signature_of(pairs: list[tuple[str, str]], signed: str, called: str) -> tuple[str, str | None]:
    """Return a signature made in this way by Twilio's own validator, and the header that names the key."""
    covered = {
        "without its last": pairs[:-1],
        "with one more": [*pairs, ("More", "x")],
        "with another value": [*pairs[:-1], (pairs[-1][0], pairs[-1][1] + "x")],
        "with one twice": [*pairs, pairs[-1]],
        "in another order": pairs[::-1],
    }.get(signed, pairs)
    url = {
        "for another URL": "https://elsewhere.example.com/webhook",
        "without the query": URL,
        "with another query": f"{URL}?b=2",
        "with its port": called.replace("example.com/", "example.com:443/"),
    }.get(signed, called)
    token = {"by another": "another", "by the next token": "the-new-token", "by a key": "shared-secret"}.get(
        signed, TOKEN
    )
    header = "key=SK1,algorithm=HMAC_SHA256" if signed == "by a key" else None
    if signed == "not":
        return "", None
    return RequestValidator(token).compute_signature(url, Parameters(covered), algorithm_of(header)), header


def algorithm_of(settings_header: str | None) -> str:
    return get_signature_algorithm(settings_header)


def test_a_test_message_that_is_sent_again_is_the_same_message(topic: Topic) -> None:
    """Also without an id: whoever saw the signed request once could make any number of rows with it."""
    first, again = call(json_event({"test": "hello"})), call(json_event({"test": "hello"}))
    another = call(json_event({"test": "hello!"}))

    assert first["headers"]["x-message-id"] == again["headers"]["x-message-id"]
    assert first["headers"]["x-message-id"] != another["headers"]["x-message-id"]


def counting(function: Callable[..., Any], run: Callable[[], dict[str, Any]]) -> tuple[dict[str, Any], int]:
    """Return what `run` returned, and how often it called the function."""
    calls = 0

    def profile(frame: Any, happened: str, _argument: object) -> None:
        nonlocal calls
        calls += happened == "call" and frame.f_code is function.__code__

    sys.setprofile(profile)
    try:
        return run(), calls
    finally:
        sys.setprofile(None)


def operations(run: Callable[[], object]) -> int:
    """Return how many lines of Python and calls of C it took."""
    done = 0

    def trace(_frame: Any, _happened: str, _argument: object) -> Any:
        nonlocal done
        done += 1
        return trace

    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(None)
    return done
