"""The processor behind the message queue: what it names stays there and is tried again soon; all else is deleted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from moto import mock_aws

from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.dead_letter import event_for_invoke, read_dead_letter
from b2bpilot.pipeline.models import SubmissionStatus
from b2bpilot.pipeline.outcome import AnswerProof, proof_in
from lambdas.background_processor import handler as processor
from tests.aws_clients import client
from tests.events import (
    envelope,
    message,
    ours,
    queue_event,
    queue_record,
    raw_record,
    received,
    sns_event,
)


class Context:
    def __init__(self, *seconds: float) -> None:
        self._seconds = list(seconds)

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self._seconds.pop(0) if self._seconds else 300))


@dataclass
class Queue:
    """The queue behind the mapping, of which the test is the mapping."""

    client: Any
    url: str
    arn: str

    def receive(self, *bodies: Any) -> list[dict[str, Any]]:
        """Send and receive these; return them as records, hidden for the queue's own time."""
        records = []
        for body in bodies:
            record = body if "messageId" in body else queue_record(body)
            self.client.send_message(QueueUrl=self.url, MessageBody=record["body"])
            (found,) = self.client.receive_message(QueueUrl=self.url)["Messages"]
            mine = {"messageId": found["MessageId"], "receiptHandle": found["ReceiptHandle"]}
            records.append(record | mine | {"eventSourceARN": self.arn})
        return records

    def visible(self) -> int:
        found = self.client.get_queue_attributes(
            QueueUrl=self.url, AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(found["Attributes"]["ApproximateNumberOfMessages"])


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch, database_url: str) -> Iterator[Queue]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        sqs = client("sqs", "us-east-1")
        url = sqs.create_queue(QueueName="messages", Attributes={"VisibilityTimeout": "1800"})["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        yield Queue(sqs, url, attributes["Attributes"]["QueueArn"])
        processor.end()


def named(answer: dict[str, Any]) -> list[str]:
    return [one["itemIdentifier"] for one in answer["batchItemFailures"]]


def statuses(database_url: str, *message_ids: str) -> list[SubmissionStatus | None]:
    with DatabaseManager(database_url) as database:
        found = [database.get_submission_by_message_id(one) for one in message_ids]
    return [one.status if one else None for one in found]


def test_a_batch_of_envelopes_and_raw_messages_becomes_rows(queue: Queue, database_url: str) -> None:
    sent = [message() for _ in range(3)]
    records = queue.receive(envelope(sent[0]), raw_record(sent[1]), envelope(sent[2]))

    assert named(processor.handler(queue_event(*records), Context())) == []
    assert set(statuses(database_url, *[one.message_id for one in sent])) == {SubmissionStatus.COMPLETED}


def test_a_message_that_both_paths_deliver_is_one_row(queue: Queue, database_url: str) -> None:
    sent = message()
    assert processor.handler(sns_event(sent), Context()) == {"outcomes": ["stored"]}
    records = queue.receive(envelope(sent), envelope(sent))

    assert named(processor.handler(queue_event(*records), Context())) == []
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT attempts FROM b2b_pilot_user_submissions").fetchall()
    assert rows == [(1,)]


def test_a_message_that_another_run_has_stays_until_its_lease_is_over(
    queue: Queue, database_url: str
) -> None:
    """The other run may be dead, and what is deleted here would be its only copy."""
    sent = message()
    with DatabaseManager(database_url) as database:
        assert database.claim(sent, lease=timedelta(minutes=5)) is not None
    records = queue.receive(envelope(sent))

    assert named(processor.handler(queue_event(*records), Context())) == [records[0]["messageId"]]

    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE b2b_pilot_user_submissions SET lease_expires_at = now()")
    assert named(processor.handler(queue_event(*records), Context())) == []
    assert statuses(database_url, sent.message_id) == [SubmissionStatus.COMPLETED]


def test_what_fails_fails_alone(queue: Queue, database_url: str) -> None:
    sound, poison = message(), message(params={"NumMedia": "many"})
    records = queue.receive(queue_record("no JSON"), envelope(poison), envelope(sound))

    answer = processor.handler(queue_event(*records), Context())

    assert named(answer) == [records[0]["messageId"], records[1]["messageId"]]
    assert statuses(database_url, sound.message_id) == [SubmissionStatus.COMPLETED]


def test_a_run_begins_nothing_that_it_has_no_time_for(queue: Queue, database_url: str) -> None:
    """A whole lease must be left: a run that is cut off leaves a message claimed and its batch hidden."""
    sent = [message() for _ in range(2)]
    records = queue.receive(*[envelope(one) for one in sent])

    answer = processor.handler(queue_event(*records), Context(300, 300, 49))

    assert named(answer) == [records[1]["messageId"]]
    assert statuses(database_url, sent[1].message_id) == [None]


@pytest.mark.parametrize(("received", "visible"), [(1, 0), (4, 0), (5, 1)])
def test_what_failed_is_tried_again_and_given_up_after_its_last_try(
    queue: Queue, received: int, visible: int
) -> None:
    """With a pause, or at once, so that the queue moves it: never after the 30 minutes of a run that died."""
    records = queue.receive(queue_record('{"schema": "none"}', receive_count=received))

    processor.handler(queue_event(*records), Context())

    assert queue.visible() == visible


def test_a_pause_that_cannot_be_set_changes_nothing_of_the_result(
    queue: Queue, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    sound = message()
    records = queue.receive(queue_record("no JSON"), envelope(sound))
    records[0]["eventSourceARN"] = "arn:aws:sqs:us-east-1:123456789012:gone"
    records[1]["eventSourceARN"] = "arn:aws:sqs:us-east-1:123456789012:gone"

    assert named(processor.handler(queue_event(*records), Context())) == [records[0]["messageId"]]
    assert statuses(database_url, sound.message_id) == [SubmissionStatus.COMPLETED]


def test_a_database_that_is_gone_loses_nothing_of_the_batch(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://pilot:old@127.0.0.1:1/pilot")
    records = queue.receive(*[envelope(message()) for _ in range(3)])

    answer = processor.handler(queue_event(*records), Context())

    assert named(answer) == [one["messageId"] for one in records]


def test_two_dead_letters_that_both_paths_left_of_one_message_make_one_row(
    queue: Queue, database_url: str
) -> None:
    """Lambda's event and the queue's envelope, redriven by the route `invoke`: each is answered, so each may be deleted."""
    sent = message()
    moved = received(envelope(sent))
    moved["Attributes"]["DeadLetterQueueSourceArn"] = queue.arn
    by_topic, by_queue = (ours(read_dead_letter(one)) for one in (received(sns_event(sent)), moved))

    answers = [
        processor.handler(event_for_invoke(one, run_id="r1"), Context()) for one in (by_topic, by_queue)
    ]

    assert answers == [{"outcomes": ["stored"]}, {"outcomes": ["duplicate"]}]
    assert [proof_in(answer) for answer in answers] == [AnswerProof.COMPLETED] * 2
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT attempts FROM b2b_pilot_user_submissions").fetchall()
    assert rows == [(1,)]


# ---- the queue of the SQS version ----


def test_an_old_queue_is_drained_into_rows_and_what_nobody_can_read_stays_there(
    queue: Queue, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its messages are those that today's webhook makes of the same parameters, so that nothing is stored twice."""
    monkeypatch.setenv("OLD_QUEUE_ARN", queue.arn)
    sent, new = message(), message()
    assert processor.handler(sns_event(new), Context()) == {"outcomes": ["stored"]}
    bodies = [queue_record(dict(one.params)) for one in (sent, new, sent)]
    records = queue.receive(*bodies, queue_record("no JSON", receive_count=9))

    assert named(processor.handler(queue_event(*records), Context())) == [records[3]["messageId"]]
    assert statuses(database_url, sent.message_id, new.message_id) == [SubmissionStatus.COMPLETED] * 2
    assert queue.visible() == 0, "however many tries the old queue has, none comes without a pause"
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT attempts FROM b2b_pilot_user_submissions").fetchall()
    assert rows == [(1,), (1,)]


def test_what_lambda_still_hands_out_when_the_old_queue_is_no_longer_named_is_drained_all_the_same(
    queue: Queue, database_url: str
) -> None:
    """CloudFormation tells the function first and deletes the mapping at the end."""
    sent = message()
    with psycopg.connect(database_url) as connection:
        insert = "INSERT INTO b2b_pilot_user_submissions (message_sid, status) VALUES (%s, 'completed')"
        connection.execute(insert, (sent.params["MessageSid"],))
    records = queue.receive(queue_record(dict(sent.params)), queue_record("no JSON", receive_count=5))

    assert named(processor.handler(queue_event(*records), Context())) == [records[1]["messageId"]]
    assert statuses(database_url, sent.message_id) == [SubmissionStatus.COMPLETED]
    assert queue.visible() == 0
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT message_id FROM b2b_pilot_user_submissions").fetchall()
    assert rows == [(sent.message_id,)]


def test_while_an_old_queue_is_drained_the_topic_knows_its_rows_too(
    queue: Queue, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Around the cut-over Twilio may call both webhooks for one message."""
    monkeypatch.setenv("OLD_QUEUE_ARN", queue.arn)
    sent = message()
    with psycopg.connect(database_url) as connection:
        insert = "INSERT INTO b2b_pilot_user_submissions (message_sid, status) VALUES (%s, 'completed')"
        connection.execute(insert, (sent.params["MessageSid"],))

    assert processor.handler(sns_event(sent), Context()) == {"outcomes": ["duplicate"]}
