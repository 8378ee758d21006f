"""Whose a dead letter is, by what it names and by who is subscribed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from b2bpilot.errors import NotOurs
from b2bpilot.pipeline.addressee import Addressee, addressee_of, is_subscription
from b2bpilot.pipeline.dead_letter import (
    DeadLetter,
    Shape,
    encoded_for_topic,
    event_for_invoke,
    read_dead_letter,
    with_owner,
)
from b2bpilot.pipeline.delivery import RedriveMark
from b2bpilot.pipeline.message import decode, encode
from b2bpilot.pipeline.owner import OURS, Owner, Ownership, owner_of
from tests.events import SUBSCRIPTION_ARN, TOPIC_ARN, message, notification, received, sns_event

OTHER_ARN, GONE_ARN, UNKNOWN_ARN = (
    f"{TOPIC_ARN}:{name}" for name in ("billing", "was-made-anew", "not-told")
)
PROCESSOR = "arn:aws:lambda:us-east-1:123456789012:function:b2b-pilot-background-processor-prod"
FOREIGN = "arn:aws:lambda:us-east-1:123456789012:function:billing"
BILLING = Owner(ownership=Ownership.OTHER, name="function billing", subscription_arn=OTHER_ARN)
GONE = Owner(ownership=Ownership.GONE, name=GONE_ARN, subscription_arn=GONE_ARN)
UNKNOWN = Owner(ownership=Ownership.UNKNOWN, name=UNKNOWN_ARN, subscription_arn=UNKNOWN_ARN)
MARK = {"redrive": {"run_id": "run-1", "attempt": 1}}
SENT = message()


@dataclass(frozen=True)
class Known:
    """Subscribers as a test says."""

    is_shared: bool = False
    adopted: bool = False
    known: Mapping[str, Owner] = field(
        default_factory=lambda: {SUBSCRIPTION_ARN: OURS, OTHER_ARN: BILLING, GONE_ARN: GONE}
    )

    def owner_of_subscription(self, arn: str) -> Owner:
        if self.adopted and arn == GONE_ARN:
            return Owner(ownership=Ownership.OURS, name=arn, subscription_arn=arn, is_adopted=True)
        return self.known.get(arn, UNKNOWN)

    def is_own(self, arn: str) -> bool:
        return arn.startswith(PROCESSOR)

    def is_marked_for(self, endpoint: str | None) -> bool:
        return endpoint is None or self.is_own(endpoint)

    def owner_of_nameless(self) -> Owner:
        return Owner(ownership=Ownership.UNKNOWN, name="shared") if self.is_shared else OURS


def event(arn: str, **beside: Any) -> dict[str, Any]:
    found = sns_event(SENT, **beside)
    found["Records"][0]["EventSubscriptionArn"] = arn
    return found


def envelope(arn: str) -> dict[str, Any]:
    url = f"https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={arn}"
    found = notification(SENT) | {"UnsubscribeURL": url}
    del found["UnsubscribeUrl"]
    return found


def destination(of: dict[str, Any], function: str = f"{PROCESSOR}:$LATEST") -> dict[str, Any]:
    context = {"requestId": "r", "functionArn": function, "condition": "RetriesExhausted"}
    return {"version": "1.0", "requestContext": context, "requestPayload": of, "responsePayload": None}


def judged(body: str | dict[str, Any], known: Known | None = None) -> DeadLetter:
    return with_owner(read_dead_letter(received(body)), known or Known())


def owner(body: str | dict[str, Any], known: Known | None = None) -> Ownership:
    return judged(body, known).owner.ownership


@pytest.mark.parametrize("wrap", [event, envelope, lambda arn: destination(event(arn))])
def test_a_dead_letter_belongs_to_the_subscription_that_it_names(wrap: Any) -> None:
    assert owner(wrap(SUBSCRIPTION_ARN)) is Ownership.OURS
    assert judged(wrap(OTHER_ARN)).owner == BILLING


@pytest.mark.parametrize("wrap", [event, envelope])
def test_a_subscription_that_is_gone_or_unknown_makes_nothing_ours(wrap: Any) -> None:
    assert owner(wrap(GONE_ARN)) is Ownership.GONE
    assert owner(wrap(UNKNOWN_ARN)) is Ownership.UNKNOWN


def test_what_names_nothing_is_ours_unless_another_subscriber_sends_its_dead_letters_here() -> None:
    for body in (
        encode(SENT).body,
        "hello",
        '{"Records": [{"s3": {}}]}',
        envelope("x"),
        event(TOPIC_ARN),
        event(""),
    ):
        assert owner(body) is Ownership.OURS
        assert owner(body, Known(is_shared=True)) is Ownership.UNKNOWN


def test_what_our_redrive_sent_is_ours_when_it_names_no_live_subscription() -> None:
    shared = Known(is_shared=True)
    for arn in ("", TOPIC_ARN, GONE_ARN, SUBSCRIPTION_ARN):
        assert owner(event(arn, **MARK), shared) is Ownership.OURS
    assert owner(event(OTHER_ARN, **MARK)) is Ownership.OTHER
    assert owner(event(UNKNOWN_ARN, **MARK)) is Ownership.UNKNOWN


def test_what_a_redrive_sent_to_another_subscriber_is_not_made_ours_by_its_mark() -> None:
    theirs = {"redrive": {**MARK["redrive"], "subscriber": FOREIGN}}

    assert owner(event(GONE_ARN, **theirs)) is Ownership.GONE
    assert owner(event("", **theirs)) is Ownership.UNKNOWN
    assert owner(event(SUBSCRIPTION_ARN, **theirs)) is Ownership.OURS
    own = {"redrive": {**MARK["redrive"], "subscriber": PROCESSOR}}
    assert owner(event(GONE_ARN, **own)) is Ownership.OURS
    for odd in (None, "", 1, ["x"], {"x": 1}):
        odd_mark = {"redrive": {**MARK["redrive"], "subscriber": odd}}
        assert owner(event(GONE_ARN, **odd_mark)) is Ownership.GONE


def test_the_mark_of_the_topic_route_reaches_every_subscriber_and_proves_nothing() -> None:
    found = received(encode(SENT).body, redrive_run_id=("String", "run-1"), redrive_attempt=("Number", "1"))
    dead_letter = with_owner(read_dead_letter(found), Known(is_shared=True))

    assert (dead_letter.redriven_by, dead_letter.owner.ownership) == ("run-1", Ownership.UNKNOWN)


def test_a_function_of_ours_makes_a_record_ours_and_another_one_does_not() -> None:
    assert owner(destination(event(GONE_ARN))) is Ownership.OURS
    assert owner(destination({"no": "event"})) is Ownership.OURS
    assert owner(destination(event(OTHER_ARN))) is Ownership.OTHER
    assert owner(destination(event(""), FOREIGN)) is Ownership.UNKNOWN
    assert owner(destination(event(GONE_ARN), FOREIGN)) is Ownership.UNKNOWN


def test_a_dead_letter_that_cannot_be_read_says_whose_it_is_all_the_same() -> None:
    found = envelope(OTHER_ARN) | {"Message": "an order, not ours"}
    two = event(SUBSCRIPTION_ARN)
    two["Records"] += event(OTHER_ARN)["Records"]

    for body in (found, two):
        dead_letter = judged(body)
        assert dead_letter.shape is Shape.UNREADABLE
        assert dead_letter.owner == BILLING


def test_what_was_adopted_is_sent_and_its_row_does_not_count() -> None:
    dead_letter = judged(event(GONE_ARN), Known(adopted=True))

    assert (dead_letter.owner.is_ours, dead_letter.owner.rows_count) == (True, False)
    assert event_for_invoke(dead_letter, run_id="r")["Records"]


@pytest.mark.parametrize("arn", [OTHER_ARN, GONE_ARN, UNKNOWN_ARN])
def test_what_is_not_ours_is_never_sent_by_any_route(arn: str) -> None:
    dead_letter = judged(event(arn))

    for send in (event_for_invoke, encoded_for_topic):
        with pytest.raises(NotOurs):
            send(dead_letter, run_id="r")


def test_a_dead_letter_that_nobody_judged_is_not_sent() -> None:
    with pytest.raises(NotOurs, match="nobody was asked"):
        event_for_invoke(read_dead_letter(received(sns_event(SENT))), run_id="r")


def test_an_envelope_keeps_its_own_subscription_on_its_way() -> None:
    sent = event_for_invoke(judged(envelope(SUBSCRIPTION_ARN)), run_id="r")

    assert sent["Records"][0]["EventSubscriptionArn"] == SUBSCRIPTION_ARN
    assert addressee_of(sent).subscription_arn == SUBSCRIPTION_ARN


def test_a_redriven_raw_dead_letter_keeps_what_it_is() -> None:
    sent = event_for_invoke(judged(encode(SENT).body), run_id="r")
    again = read_dead_letter(received(json.loads(json.dumps(sent))))

    assert "EventSubscriptionArn" not in sent["Records"][0]
    assert (again.shape, again.redrives, again.message) == (Shape.RAW, 1, decode(encode(SENT).body))
    assert owner(sent, Known(is_shared=True)) is Ownership.OURS


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        (SUBSCRIPTION_ARN, True),
        (TOPIC_ARN, False),
        ("arn:aws:sns:us-east-1:123456789012:example", False),
        ("PendingConfirmation", False),
        (f"{TOPIC_ARN}:", False),
        (None, False),
        (7, False),
    ],
)
def test_a_subscription_is_told_from_a_topic(arn: object, expected: bool) -> None:
    assert is_subscription(arn) is expected


arns = st.sampled_from([SUBSCRIPTION_ARN, OTHER_ARN, GONE_ARN, UNKNOWN_ARN])
functions = st.sampled_from([None, PROCESSOR, f"{PROCESSOR}:$LATEST", f"{PROCESSOR}-other:1", "f"])


@given(
    named=st.lists(arns, max_size=3),
    function=functions,
    mark=st.sampled_from([None, "to us", "to another"]),
    is_shared=st.booleans(),
    adopted=st.booleans(),
)
def test_nothing_that_names_a_live_or_an_unknown_subscriber_is_ever_ours(
    named: list[str], function: str | None, mark: str | None, is_shared: bool, adopted: bool
) -> None:
    to = FOREIGN if mark == "to another" else None
    redriven = RedriveMark(run_id="r", attempt=1, subscriber=to) if mark else None
    addressee = Addressee(subscription_arns=tuple(named), function_arn=function, redriven=redriven)
    found = owner_of(addressee, Known(is_shared=is_shared, adopted=adopted))

    if OTHER_ARN in named:
        assert found == BILLING
    if UNKNOWN_ARN in named:
        assert not found.is_ours
    if found.rows_count and mark != "to us" and function is None:
        assert set(named) == {SUBSCRIPTION_ARN} or (not named and not is_shared and mark is None)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | arns,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "Records",
                    "Sns",
                    "EventSubscriptionArn",
                    "UnsubscribeURL",
                    "Type",
                    "requestContext",
                    "requestPayload",
                    "redrive",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(["Records", "Type", "UnsubscribeURL", "requestContext", "requestPayload"]),
        json_values,
    )
)
def test_what_a_body_names_is_read_from_whatever_it_is(document: dict[str, Any]) -> None:
    found = addressee_of(document)

    assert all(is_subscription(arn) for arn in found.subscription_arns)


def test_only_of_a_live_subscribers_it_is_said_that_it_is_not_ours() -> None:
    assert (
        Owner(ownership=Ownership.OTHER, name="queue billing").not_ours
        == "not this environment's: queue billing"
    )
    assert Owner(ownership=Ownership.UNKNOWN).not_ours == "not known to be this environment's: unknown"
