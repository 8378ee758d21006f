"""`dlq ... --subscriber`: another team's dead letters, from its own queue to its own function, and nobody else's."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from b2bpilot.cli.app import main
from b2bpilot.pipeline.database import DatabaseManager
from b2bpilot.pipeline.message import PilotMessage, encode
from tests.events import message
from tests.local.conftest import Subscribed
from tests.local.polling import eventually
from tests.local.subscriber_folders import TestSubscriber
from tests.local.test_owner import Queue

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def in_order(subscribed: Subscribed) -> Iterator[None]:
    yield
    for each in (subscribed.analytics, subscribed.archive):
        each.order.unlink(missing_ok=True)
        queue_of(subscribed, each).empty()


@pytest.fixture
def cli(subscribed: Subscribed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    monkeypatch.setenv("B2BPILOT_HOME", str(subscribed.home))

    def run(*arguments: str) -> tuple[int, str, str]:
        exit_code = main([*arguments, "-e", "local"])
        captured = capsys.readouterr()
        return exit_code, captured.out, captured.err

    return run


def queue_of(subscribed: Subscribed, subscriber: TestSubscriber) -> Queue:
    sqs = subscribed.client("sqs")
    url = sqs.get_queue_url(QueueName=f"{subscriber.name}-b2b-pilot-local-dlq")["QueueUrl"]
    return Queue(sqs, url)


def subscription_of(subscribed: Subscribed, subscriber: TestSubscriber) -> str:
    sns = subscribed.client("sns")
    found = sns.list_subscriptions_by_topic(TopicArn=subscribed.stack_output("TopicArn"))["Subscriptions"]
    (arn,) = (
        one["SubscriptionArn"]
        for one in found
        if one["Endpoint"].endswith(f":{subscriber.name}-b2b-pilot-local")
    )
    return str(arn)


def publish(subscribed: Subscribed) -> PilotMessage:
    made = message()
    encoded = encode(made)
    subscribed.client("sns").publish(
        TopicArn=subscribed.stack_output("TopicArn"),
        Message=encoded.body,
        MessageAttributes=encoded.attributes,
    )
    return made


def test_a_redrive_of_a_subscriber_repairs_it_and_leaves_the_processor_s_rows(
    subscribed: Subscribed, cli: Cli
) -> None:
    analytics, queue = subscribed.analytics, queue_of(subscribed, subscribed.analytics)
    analytics.order.write_text("fail")
    sent = publish(subscribed)
    eventually(queue.all, "the dead letter of analytics")
    analytics.order.unlink()

    exit_code, out, err = cli("dlq", "redrive", "--subscriber", "analytics", "--yes")

    assert exit_code == 0, out + err
    assert "subscriber analytics" in out
    assert "1 dead letter processed, as the function said" in out
    assert queue.all() == {}
    with DatabaseManager(subscribed.state.database_url) as database:
        row = database.get_submission_by_message_id(sent.message_id)
    assert row is not None
    assert row.attempts == 1
