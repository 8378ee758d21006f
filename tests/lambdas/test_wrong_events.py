"""Each function with events of wrong shapes: what it can't read it says so of, or leaves alone. Nothing else is raised."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import event as seen
from hypothesis import given
from hypothesis import strategies as st

from b2bpilot.errors import MessageUnreadable, PilotError
from lambdas.background_processor import handler as processor
from lambdas.dead_letter_redriver import handler as redriver
from lambdas.dead_letter_redriver.dead_letters import dead_letter_of
from lambdas.stale_message_processor import handler as stale
from tests.events import message, sns_event
from tests.fakes.sqs import FakeQueue, QueuedMessage
from tests.fuzz import attacks
from tests.lambdas.redriver_deployment import Deployment, record_of
from tests.lambdas.webhook_deployment import Topic, call, form, json_event, params
from tests.lambdas.wrong_events import WHATEVER, broken

REFUSED = (400, 403, 413, 415)
EVENTS = 5_000


class Context:
    function_name = "b2b-pilot-dead-letter-redriver-staging"

    def get_remaining_time_in_millis(self) -> int:
        return 360_000


@given(
    request=st.one_of(
        WHATEVER, broken(form(params(), "A" * 27 + "=")), broken(json_event({"test": "x"}, "another"))
    )
)
@attacks(50, whole=EVENTS)
def test_the_webhook_refuses_it(topic: Topic, request: Any) -> None:
    answer = call(request)

    seen(f"answered {answer['statusCode']}")
    assert answer["statusCode"] in REFUSED


@pytest.fixture
def table(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("PROCESSOR_FUNCTION_NAME", "none")
    monkeypatch.setenv("SNS_TOPIC_ARN", "arn:aws:sns:us-east-1:123456789012:none")
    monkeypatch.setattr(stale, "_throttled", lambda _: None)
    yield
    processor.end()
    stale.end()


@given(
    wrong=st.one_of(
        WHATEVER, broken(sns_event(message())), broken({"Records": [{"Sns": {}}, None], "redrive": {}})
    )
)
@attacks(50, whole=EVENTS)
def test_the_processor_stores_what_it_can_read_and_says_why_it_can_t(table: None, wrong: Any) -> None:
    try:
        outcomes = processor.handler(wrong, Context())["outcomes"]
    except PilotError as exc:
        seen(type(exc).__name__)
    else:
        seen(" ".join(outcomes))
        assert outcomes


@given(WHATEVER)
@attacks(20, whole=EVENTS)
def test_the_stale_processor_does_what_it_does_whatever_calls_it(table: None, wrong: Any) -> None:
    assert stale.handler(wrong, Context())["published"] == 0


def batch() -> dict[str, Any]:
    dead_letters = [
        QueuedMessage(str(number), json.dumps(sns_event(message())), sent_at="1790000000000")
        for number in range(2)
    ]
    return {"Records": [record_of(dead_letter) for dead_letter in dead_letters]}


@given(wrong=st.one_of(WHATEVER, broken(batch())), is_on=st.booleans())
@attacks(50, whole=EVENTS)
def test_the_redriver_lets_nothing_be_deleted_that_it_did_not_process(wrong: Any, *, is_on: bool) -> None:
    """What its answer does not name is deleted; an error keeps the whole batch."""
    deployment = Deployment()
    if is_on:
        deployment.begin()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redriver, "_redriver", lambda _: deployment.container())
        patch.setattr(FakeQueue, "extend", lambda *_: [])
        with suppress(MessageUnreadable):
            answer = redriver.handler(wrong, Context())
            records = wrong.get("Records") if isinstance(wrong, dict) else None
            stay = [one["itemIdentifier"] for one in answer["batchItemFailures"]]
            seen(f"{len(records or [])} records, {len(stay)} stay, {len(deployment.completed)} processed")
            for record in records or []:
                assert record["messageId"] in stay or completed(record, deployment)


def completed(record: Any, deployment: Deployment) -> bool:
    message = dead_letter_of(record).message
    return message is not None and message.message_id in deployment.completed


def test_the_webhook_s_event_may_lack_everything(topic: Topic) -> None:
    for wrong in (
        None,
        [],
        "",
        0,
        {},
        {"headers": None},
        {"headers": [], "body": None, "multiValueHeaders": {"a": None}},
    ):
        assert call(wrong)["statusCode"] == 403  # type: ignore[arg-type]  # that is what is tried


@pytest.mark.parametrize("function", [processor, redriver])
@pytest.mark.parametrize(
    "wrong",
    [None, [], "Records", 7, {"Records": None}, {"Records": 7}, {"Records": "ab"}, {"Records": [None]}],
)
def test_a_function_says_what_it_expected(function: Any, wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redriver, "_redriver", lambda _: Deployment().container())

    with pytest.raises(MessageUnreadable, match=r"expected an event from S|a record has no"):
        function.handler(wrong, Context())
