"""What a backfill makes is what SNS makes, but for its signature."""

from __future__ import annotations

import json

import pytest

from b2bpilot.local.notification import lambda_event, queue_body
from b2bpilot.pipeline.dead_letter import read_dead_letter
from b2bpilot.pipeline.delivery import deliveries, redrive_of
from b2bpilot.pipeline.message import PilotMessage, encode, format_time
from b2bpilot.pipeline.notification import MARK, Addressed, backfill_in, envelope_for, event_for, raw_for
from tests.events import SUBSCRIPTION_ARN, TOPIC_ARN, message, sns_event

TO = Addressed(
    topic_arn=TOPIC_ARN, subscription_arn=SUBSCRIPTION_ARN, run_id="20010101T000000Z-backfill-1a2b"
)
SNSS_OWN = {"SignatureVersion", "Signature", "SigningCertURL", "SigningCertUrl"}


def published(of: PilotMessage) -> dict[str, str]:
    """The envelope as the emulator's SNS writes it."""
    return {
        "Type": "Notification",
        "MessageId": of.message_id,
        "TopicArn": TOPIC_ARN,
        "Message": encode(of).body,
        "Timestamp": format_time(of.received_at),
        "SignatureVersion": "1",
        "Signature": "EXAMPLE",
        "SigningCertURL": "https://sns.us-east-1.amazonaws.com/example.pem",
    }


def test_a_function_gets_the_event_that_sns_delivers_with_the_run_beside_it() -> None:
    of = message(params={"Body": "\u00e9\U0001f69a"})
    event = event_for(of, TO)
    expected = lambda_event(published(of), encode(of).attributes, SUBSCRIPTION_ARN)
    (record,) = expected["Records"]
    record["Sns"] = {name: value for name, value in record["Sns"].items() if name not in SNSS_OWN}

    assert event == {**expected, MARK: {"run_id": TO.run_id}}
    assert next(one.message for one in deliveries(event)).params == of.params
    assert redrive_of(event) is None


def test_a_queue_gets_the_envelope_with_the_run_in_it() -> None:
    of = message()
    expected = json.loads(queue_body(published(of), encode(of).attributes, SUBSCRIPTION_ARN))

    found = json.loads(envelope_for(of, TO))

    assert found == {**{k: v for k, v in expected.items() if k not in SNSS_OWN}, MARK: {"run_id": TO.run_id}}


def test_raw_delivery_is_the_body_and_the_attributes_with_the_run_among_them() -> None:
    of = message()
    encoded, found = encode(of), raw_for(of, TO)
    mark = {"backfill_run_id": {"DataType": "String", "StringValue": TO.run_id}}
    assert (found.body, found.attributes) == (encoded.body, {**encoded.attributes, **mark})


@pytest.mark.parametrize("shape", ["event", "envelope", "raw"])
def test_what_it_sent_names_its_run_when_it_is_a_dead_letter(shape: str) -> None:
    of = message()
    raw = raw_for(of, TO)
    body, attributes = {
        "event": (json.dumps(event_for(of, TO)), {}),
        "envelope": (envelope_for(of, TO), {}),
        "raw": (raw.body, raw.attributes),
    }[shape]

    found = read_dead_letter({"Body": body, "MessageAttributes": attributes, "MessageId": "1"})

    assert found.message is not None
    assert (found.message.message_id, backfill_in(found.event)) == (of.message_id, TO.run_id)
    assert (found.redrives, found.addressee.redriven) == (0, None)


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        {},
        {"backfill": "x"},
        {"backfill": {"run_id": 7}},
        {"backfill": {"run_id": "two words"}},
        {"Records": []},
        {"Records": {"0": 1}},
        {"Records": ["x"]},
        sns_event(message()),
    ],
)
def test_what_sns_sent_or_nobody_names_no_run(event: object) -> None:
    assert backfill_in(event) is None
