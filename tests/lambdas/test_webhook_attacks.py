"""What anybody can send to the webhook: refused before it costs more than its bytes, and never published unsigned."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from b2bpilot.twilio.signature import Parameters
from lambdas.webhook_handler import handler as webhook
from lambdas.webhook_handler.request import MAX_BODY_BYTES, MAX_FIELDS
from tests.events import new_sid
from tests.lambdas.webhook_world import (
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

A_SIGNATURE = f"{'A' * 27}="
IN_HYPOTHESIS = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


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


WHATEVER: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=6,
)
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
@IN_HYPOTHESIS
def test_an_event_of_a_wrong_shape_is_refused(
    topic: Topic, *, spoiled: dict[str, object], headers: dict[str, object], absent: set[str]
) -> None:
    request = unsigned(params().items())
    request["headers"] |= headers
    request = {name: value for name, value in request.items() if name not in absent} | spoiled

    assert call(request)["statusCode"] in (403, 413)


NAMES = st.sampled_from(["Body", "From", "Tag", "MediaUrl0", "", "MessageSid"]) | st.text(max_size=6)


@given(
    pairs=st.lists(st.tuples(NAMES, st.text(max_size=12)), max_size=8),
    signed=st.sampled_from(
        ["as it is", "without its last", "with one more", "by another", "for another URL"]
    ),
    query=st.sampled_from(["", "a=1", "a=%20&b=", "#"]),
)
@IN_HYPOTHESIS
def test_it_takes_what_twilios_own_validator_takes(
    topic: Topic, *, pairs: list[tuple[str, str]], signed: str, query: str
) -> None:
    """But for what no status callback and no message has: that is refused, and never for its signature."""
    pairs = [("SmsSid", new_sid()), *pairs]
    covered = {"without its last": pairs[:-1], "with one more": [*pairs, ("More", "x")]}.get(signed, pairs)
    called = f"{URL}?{query}" if query else URL
    url = "https://elsewhere.example.com/webhook" if signed == "for another URL" else called
    token = "another" if signed == "by another" else TOKEN
    signature = RequestValidator(token).compute_signature(url, Parameters(covered))
    request = event(urlencode(pairs), {"content-type": FORM, "x-twilio-signature": signature}, query)

    taken = RequestValidator(TOKEN).validate(called, Parameters(pairs), signature)

    assert (call(request)["statusCode"] != 403) == taken
    topic.published()


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
